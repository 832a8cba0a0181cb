import { type Column, type Placeholder, type SQL, sql } from 'drizzle-orm'
import type { JsonDialect } from './json-dialect.ts'
import { sqliteJsonPath } from './sqlite-json-path.ts'

const type = (path: string): SQL => sql`json_type(profiles.attributes, ${sqliteJsonPath(path)})`
const value = (path: string): SQL => sql`(profiles.attributes ->> ${sqliteJsonPath(path)})`

const D = '[0-9]'
const DATE = `${D}${D}${D}${D}-${D}${D}-${D}${D}`
const MINUTE = `${DATE}[T ][0-2]${D}:[0-5]${D}`
const SECOND = `${MINUTE}:[0-5]${D}`
// SQLite's own date functions read more than ISO 8601 and move 2023-02-30 into March: so the form is matched first,
// and a day after the 28th must survive a round trip. The usual forms are told by their length, in few looks.
const EXISTS = `(substr(v, 9, 2) < '29' or date(substr(v, 1, 10), '+0 days') = substr(v, 1, 10))`
const HOUR_EXISTS = `substr(v, 12, 2) < '24'`
const INSTANT = `
  case
    when length(v) = 10 then case when v glob '${DATE}' and ${EXISTS} then unixepoch(v) * 1000 end
    when length(v) = 20 and v glob '${SECOND}Z' then
      case when ${HOUR_EXISTS} and ${EXISTS} then unixepoch(v) * 1000 end
    when length(v) = 24 and v glob '${SECOND}.${D}${D}${D}Z' then
      case when ${HOUR_EXISTS} and ${EXISTS}
        then unixepoch(substr(v, 1, 19)) * 1000 + cast(substr(v, 21, 3) as integer) end
    when v glob '${MINUTE}*' and ${HOUR_EXISTS} and ${EXISTS} then (
      select case
        when local not glob '${MINUTE}' and local not glob '${SECOND}' and (
          local not glob '${SECOND}.${D}*' or length(local) > 29 or substr(local, 21) glob '*[^0-9]*'
        ) then null
        when substr(zone, 2, 2) > '23' then null
        else unixepoch(substr(local, 1, 19)) * 1000
          + cast(substr(substr(local, 21) || '000', 1, 3) as integer)
          - case substr(zone, 1, 1) when '+' then 60000 when '-' then -60000 else 0 end
            * (substr(zone, 2, 2) * 60 + substr(zone, 5, 2))
      end
      from (
        select substr(v, 1, length(v) - z) as local, substr(v, length(v) - z + 1) as zone
        from (select case when v glob '*Z' then 1 when v glob '*[+-][0-2]${D}:[0-5]${D}' then 6 else 0 end as z)
      )
    )
  end`.replace(/\s+/g, ' ')

export const sqliteJson: JsonDialect = {
  document: () => sql`json(profiles.attributes)`,
  type: (path) =>
    sql`case ${type(path)} when 'text' then 'string' when 'integer' then 'number' when 'real' then 'number' when 'true' then 'boolean' when 'false' then 'boolean' when 'null' then null else ${type(path)} end`,
  text: (path) => sql`case when ${type(path)} = 'text' then ${value(path)} end`,
  // A large integer would otherwise be compared with its 64 bits, where JavaScript has 53.
  number: (path) => sql`case when ${type(path)} in ('integer', 'real') then cast(${value(path)} as real) end`,
  boolean: (path) => sql`case when ${type(path)} in ('true', 'false') then ${value(path)} end`,
  // No look at the type: no number, boolean, list or object has this form as text.
  instant: (path) => sql`(select ${sql.raw(INSTANT)} from (select ${value(path)} as v))`,
  compareText: (left, operator, right) => sql`${left} ${sql.raw(operator)} ${right}`,
  isIn: (left: SQL | Column, list: readonly string[] | readonly number[] | Placeholder) =>
    sql`${left} in (select value from json_each(${Array.isArray(list) ? JSON.stringify(list) : list}))`,
  contains: (column, pattern) => sql`lower(${column}) like lower(${pattern}) escape '\\'`,
  milliseconds: (from, to) => sql`(${to} - ${from})`,
  likely: (condition) => sql`likely(${condition})`,
  matches: (text, where, needle) => {
    if (where === 'anywhere') return sql`instr(${text}, ${needle}) > 0`
    if (where === 'start') return sql`substr(${text}, 1, length(${needle})) = ${needle}`
    // By bytes: length() and substr() from the end stop at a NUL inside the text.
    return sql`substr(cast(${text} as blob), ${sql.raw(String(-Buffer.byteLength(needle)))}) = cast(${needle} as blob)`
  },
}
