// Rows in one form, whichever database they were read from, so that they can be compared as text.
import type { CellKind, CopyRow, CopyTable } from './copy-shape.ts'

/** Two rows have the same line just when they hold the same. */
export function lineOf({ columns }: CopyTable, row: CopyRow): string {
  const cells = row.map((cell, at) =>
    cell !== null && isJson(columns[at]?.kind) ? canonicalJson(cell) : cell,
  )
  return JSON.stringify(cells)
}

const isJson = (kind: CellKind | undefined): boolean => kind === 'json' || kind === 'attributes'

/** Exponents, and what may be more digits than a number of JavaScript holds; in texts as well, where it costs time only. */
const MAY_BE_LONG = /\d[eE]|[\d.]{16}/
const MAX_DIGITS = 15
/** Beyond these powers of ten a number of JavaScript is written with an exponent, or is none any more. */
const MAX_POWER = 20

/**
 * The same for the same value: keys in one order, and numbers by what they are, to the last digit, however they are
 * written. Zero has no sign, as in PostgreSQL.
 */
export function canonicalJson(text: string): string {
  if (!MAY_BE_LONG.test(text)) return written(JSON.parse(text))
  return written(JSON.parse(text, exactly as (key: string, value: unknown) => unknown))
}

class Digits {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

function written(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'object' && value !== null) {
    if (value instanceof Digits) return value.text
    if (Array.isArray(value)) return `[${value.map(written).join(',')}]`
    const object = value as Record<string, unknown>
    const entries = Object.keys(object).sort()
    return `{${entries.map((key) => `${JSON.stringify(key)}:${written(object[key])}`).join(',')}}`
  }
  return String(value) // a number that it holds exactly, or true, false, null
}

/** A reviver: numbers as they stand in the text. */
function exactly(_key: string, value: unknown, { source = '' }: { source?: string } = {}): unknown {
  return typeof value === 'number' ? new Digits(canonicalNumber(source)) : value
}

function canonicalNumber(source: string): string {
  const [, sign = '', whole = '', fraction = '', power = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(source) ?? []
  const all = `${whole}${fraction}`.replace(/^0+/, '')
  const digits = all.replace(/0+$/, '')
  if (digits === '') return '0'
  const exponent = BigInt(power) - BigInt(fraction.length) + BigInt(all.length - digits.length)
  const isShort = digits.length <= MAX_DIGITS && exponent <= MAX_POWER && exponent >= -MAX_POWER
  return isShort ? String(Number(source)) : `${sign}${digits}e${exponent}`
}
