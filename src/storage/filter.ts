// The conditions that the filters of every list are made of. Absent and null do not filter.
import { type Column, eq, gte, lt, type Placeholder, type SQL, sql } from 'drizzle-orm'
import { Refusal } from '../domain/errors.ts'
import { MAX_NAME } from '../domain/text.ts'
import type { Condition } from './read.ts'

/** No id is longer. */
const MAX_ID = 100
/** How many items a list in a filter may have. */
const MAX_FILTER_ITEMS = 250

/** Those of the texts that can be ids, each once: what is none names nothing, and no database is asked about it. */
export function plausibleIds(ids: readonly string[]): string[] {
  return [...new Set(ids)].filter((id) => id.length <= MAX_ID && isPlain(id))
}

/** A condition without a value of its own. */
export function fixed(name: string, condition: () => SQL): Condition {
  return { name, values: [], sql: condition }
}

/** The column has this value. */
export function is(column: Column, value: string | number): Condition {
  return { name: `${column.name} =`, values: [value], sql: ([bound]) => eq(column, bound) }
}

/**
 * The column has this value, where other conditions lead to few rows. A database that cannot know that would look
 * through all rows that share the value: all of a sandbox for a few ids.
 */
export function isAlso(column: Column, value: string): Condition {
  return {
    name: `${column.name} likely =`,
    values: [value],
    sql: ([bound], json) => json.likely(eq(column, bound)),
  }
}

/** One of the values, however many there are; none of an empty list. */
export function isOneOf(column: Column, values: readonly (string | number)[]): Condition {
  return {
    name: `${column.name} in`,
    values: [JSON.stringify(values)],
    sql: ([bound], json) => json.isIn(column, bound as Placeholder),
  }
}

/** One of the ids. */
export function hasId(column: Column, ids: readonly string[]): Condition {
  const plausible = plausibleIds(ids)
  const [only, ...others] = plausible
  return only !== undefined && others.length === 0 ? is(column, only) : isOneOf(column, plausible)
}

/** At this moment or later. */
export function since(column: Column, moment: Date | null | undefined): Condition | undefined {
  if (moment == null) return undefined
  return {
    name: `${column.name} >=`,
    values: [ofTime(moment)],
    sql: ([bound]) => gte(column, sql.param(bound, column)),
  }
}

/** No row is of another time, and not every database can write such years. */
const EARLIEST = Date.UTC(1000, 0)
const LATEST = Date.UTC(9999, 11)
const ofTime = (moment: Date) => new Date(Math.min(Math.max(moment.getTime(), EARLIEST), LATEST))

/** Before this moment. */
export function before(column: Column, moment: Date | null | undefined): Condition | undefined {
  if (moment == null) return undefined
  return {
    name: `${column.name} <`,
    values: [ofTime(moment)],
    sql: ([bound]) => lt(column, sql.param(bound, column)),
  }
}

/**
 * One of the values of a filter; none of an empty list.
 * @throws Refusal LIMIT_EXCEEDED at ["filter", `name`]
 */
export function isAmong(options: {
  column: Column
  values: readonly (string | number)[] | null | undefined
  /** The filter's field, for the error. */
  name: string
  max?: number
}): Condition | undefined {
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
  return isOneOf(
    column,
    values.filter((value) => typeof value === 'number' || isPlain(value)),
  )
}

/** Of the destinations that a caller may see; null: all of them. */
export function isVisible(column: Column, destinationIds: readonly string[] | null): Condition | undefined {
  if (destinationIds === null) return undefined
  return { ...isOneOf(column, destinationIds), name: `${column.name} visible` }
}

/** The text holds `search`, whatever the case, and no sign of it is a wildcard. An empty search does not filter. */
export function contains(column: Column, search: string | null | undefined): Condition | undefined {
  if (search == null || search === '') return undefined
  // No name is longer or has such characters, and no database needs to be asked about them.
  if (!isPlain(search)) return fixed('nothing', () => sql`1 = 0`)
  return {
    name: `${column.name} like`,
    values: [`%${search.replace(/[\\%_]/g, '\\$&')}%`],
    sql: ([bound], json) => json.contains(column, bound as Placeholder),
  }
}

function isPlain(text: string): boolean {
  return text.length <= 2 * MAX_NAME && !text.includes('\0') && text.isWellFormed()
}
