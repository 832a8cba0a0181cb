// The conditions that the filters of every list are made of. Absent and null do not filter.
import { type AnyColumn, inArray, type SQL, sql } from 'drizzle-orm'
import { Refusal } from '../domain/errors.ts'
import { MAX_NAME } from '../domain/text.ts'

/** How many items a list in a filter may have. */
const MAX_FILTER_ITEMS = 250

/** Those of the texts that can be ids, each once: what is none names nothing, and no database is asked about it. */
export function plausibleIds(ids: readonly string[]): string[] {
  return [...new Set(ids)].filter((id) => /^[\w-]{1,100}$/.test(id))
}

/**
 * One of the values; none of an empty list.
 * @throws Refusal LIMIT_EXCEEDED at ["filter", `name`]
 */
export function isAmong(options: {
  column: AnyColumn
  values: readonly (string | number)[] | null | undefined
  /** The filter's field, for the error. */
  name: string
  max?: number
}): SQL | undefined {
  const { column, values, name, max = MAX_FILTER_ITEMS } = options
  if (values == null) return undefined
  if (values.length > max) {
    throw new Refusal({
      code: 'LIMIT_EXCEEDED',
      message: `A filter takes at most ${max} ${name}.`,
      path: ['filter', name],
      limit: max,
      requested: values.length,
    })
  }
  const known = values.filter((value) => typeof value === 'number' || isPlain(value))
  return inArray(column, [...new Set(known)])
}

/** Of the destinations that a caller may see; null: all of them. */
export function isVisible(column: AnyColumn, destinationIds: readonly string[] | null): SQL | undefined {
  return destinationIds === null ? undefined : inArray(column, [...destinationIds])
}

/** The text holds `search`, whatever the case, and no sign of it is a wildcard. An empty search does not filter. */
export function contains(column: AnyColumn, search: string | null | undefined): SQL | undefined {
  if (search == null || search === '') return undefined
  // No name is longer or has such characters, and no database needs to be asked about them.
  if (!isPlain(search)) return sql`1 = 0`
  const pattern = `%${search.replace(/[\\%_]/g, '\\$&')}%`
  return sql`lower(${column}) like lower(${pattern}) escape '\\'`
}

function isPlain(text: string): boolean {
  return text.length <= 2 * MAX_NAME && !text.includes('\0') && text.isWellFormed()
}
