import { Column, is, type Placeholder, type SQL, sql } from 'drizzle-orm'
import type { JsonDialect } from './json-dialect.ts'

const ATTRIBUTES = sql`profiles.attributes`
/** Step by step: a number leads nowhere in a list, as in the rules. */
const at = (path: string): SQL =>
  path.split('.').reduce((value, step) => sql`${value} -> ${step}::text`, ATTRIBUTES)
const typeOf = (path: string): SQL => sql`jsonb_typeof(${at(path)})`
const text = (path: string): SQL => sql`(${at(path)}) #>> '{}'`

const number = (from: number, length: number) => `substr(v, ${from}, ${length})::int`
const YEAR = number(1, 4)
const MONTH = number(6, 2)
const DAY = number(9, 2)
const FORM =
  '^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])([T ]([01]\\d|2[0-3]):[0-5]\\d(:[0-5]\\d(\\.\\d{1,9})?)?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)?)?$'
const DAYS_OF_MONTH = `case when ${MONTH} = 2
  then case when ${YEAR} % 4 = 0 and (${YEAR} % 100 <> 0 or ${YEAR} % 400 = 0) then 29 else 28 end
  when ${MONTH} in (4, 6, 9, 11) then 30 else 31 end`
/** The year that begins in March, moved by one cycle of the calendar so that it is never negative. */
const MARCH_YEAR = `(${YEAR} + 400 - (${MONTH} < 3)::int)`
const DAYS = `(365 * ${MARCH_YEAR} + ${MARCH_YEAR} / 4 - ${MARCH_YEAR} / 100 + ${MARCH_YEAR} / 400
  + (153 * ((${MONTH} + 9) % 12) + 2) / 5 + ${DAY} - 1 - 719468 - 146097)`
// In whole numbers: the types of PostgreSQL read more forms, know no year 0, and fail where there is no such day.
const INSTANT = `case when v ~ '${FORM}' then case when ${DAY} <= ${DAYS_OF_MONTH} then
  ${DAYS}::bigint * 86400000
  + case when length(v) > 10 then ${number(12, 2)} * 3600000 + ${number(15, 2)} * 60000 else 0 end
  + case when substr(v, 17, 1) = ':' then ${number(18, 2)} * 1000 else 0 end
  + case when substr(v, 20, 1) = '.' then substr(rpad(substring(v from '\\.(\\d+)'), 3, '0'), 1, 3)::int else 0 end
  - case when length(v) > 16 and substr(right(v, 6), 1, 1) in ('+', '-') then
      (right(v, 2)::int + substr(right(v, 5), 1, 2)::int * 60)
      * case substr(right(v, 6), 1, 1) when '+' then 60000 else -60000 end
    else 0 end
  end end`.replace(/\s+/g, ' ')

export const postgresJson: JsonDialect = {
  document: () => sql`${ATTRIBUTES}::text`,
  type: (path) => sql`nullif(${typeOf(path)}, 'null')`,
  text: (path) => sql`case when ${typeOf(path)} = 'string' then ${text(path)} end collate "C"`,
  number: (path) => sql`case when ${typeOf(path)} = 'number' then (${at(path)})::float8 end`,
  boolean: (path) => sql`case when ${typeOf(path)} = 'boolean' then (${at(path)})::boolean end`,
  // No look at the type: no number, boolean, list or object has this form as text. OFFSET 0 keeps it computed once.
  instant: (path) => sql`(select ${sql.raw(INSTANT)} from (select ${text(path)} as v offset 0) as value)`,
  compareText: (left, operator, right) => sql`(${left}) ${sql.raw(operator)} ${right}::text`,
  isIn: (left: SQL | Column, list: readonly string[] | readonly number[] | Placeholder) => {
    const json = Array.isArray(list) ? JSON.stringify(list) : list
    const type = is(left, Column)
      ? itemType(left)
      : typeof (list as unknown[])[0] === 'number'
        ? 'float8'
        : 'text'
    return sql`${left} = any(array(select item::${sql.raw(type)} from jsonb_array_elements_text(${json}::jsonb) as item))`
  },
  milliseconds: (from, to) => sql`round(extract(epoch from (${to} - ${from})) * 1000)::bigint`,
  likely: (condition) => condition,
  contains: (column, pattern) =>
    sql`lower(${column} collate "default") like lower(${pattern}::text) escape '\\'`,
  matches: (value, where, needle) => {
    if (where === 'anywhere') return sql`strpos(${value}, ${needle}::text) > 0`
    if (where === 'start') return sql`starts_with(${value}, ${needle}::text)`
    return sql`right(${value}, length(${needle}::text)) = ${needle}::text`
  },
}

/** As an index on the column is searched by. */
const itemType = (column: Column): string => (column.dataType === 'number' ? 'bigint' : 'text')
