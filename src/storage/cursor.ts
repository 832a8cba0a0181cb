// Cursors: a place in one list. They are bound to that list, its filter and its order, so that a cursor of another
// list, of another sandbox, or an altered one is refused instead of leading somewhere.
import { crc32 } from 'node:zlib'
import { invalid, Refusal } from '../domain/errors.ts'

export type CursorValue = string | number

/**
 * The cursors of one list. `list` is everything that makes it this list and no other, as plain data: sandbox, parent,
 * filter, order, and what the caller may see; null and absent are the same.
 *
 * The checksum is no secret: whoever makes up a cursor that fits only reaches another place of a list that is his.
 */
export function cursorsOf(list: readonly unknown[]) {
  let known: number | undefined
  const check = (place: string) => {
    known ??= crc32(JSON.stringify(list, (_, value) => value ?? undefined))
    return crc32(place, known)
  }
  return {
    encode(value: CursorValue, id: string): string {
      const place = JSON.stringify([value, id])
      return Buffer.from(`${check(place).toString(36)}${place}`).toString('base64url')
    },

    /**
     * @param type of the value
     * @throws Refusal INVALID_INPUT at [`path`] for a cursor that is not of this list
     */
    decode(cursor: string, path: string, type: 'string' | 'number'): [CursorValue, string] {
      const [, sum, text = ''] = /^(\w+)(\[.*)$/s.exec(Buffer.from(cursor, 'base64url').toString()) ?? []
      const place = check(text).toString(36) === sum ? placeOf(text, type) : null
      if (place) return place
      throw new Refusal(invalid([path], `${path} is not a cursor of this list with this filter and order.`))
    },
  }
}

/** Every id, number and millisecond of a date is within. */
const MAX_PLACE = 8.64e15
const isText = (value: unknown): value is string =>
  typeof value === 'string' && !value.includes('\0') && value.isWellFormed()

/** Null for what only has the right checksum. */
function placeOf(text: string, type: 'string' | 'number'): [CursorValue, string] | null {
  try {
    const [value, id]: unknown[] = JSON.parse(text)
    const isValue =
      typeof value === type && (type === 'number' ? Math.abs(Number(value)) <= MAX_PLACE : isText(value))
    return isValue && isText(id) ? [value as CursorValue, id] : null
  } catch {
    return null
  }
}
