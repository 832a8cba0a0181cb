import { type SQL, sql } from 'drizzle-orm'
import type { JsonDialect } from './json-dialect.ts'

/** `a.b` as SQLite's JSON path, every step quoted. */
export function sqliteJsonPath(path: string): string {
  return `$${path
    .split('.')
    .map((step) => `.${JSON.stringify(step)}`)
    .join('')}`
}

const type = (path: string): SQL => sql`json_type(profiles.attributes, ${sqliteJsonPath(path)})`
const value = (path: string): SQL => sql`(profiles.attributes ->> ${sqliteJsonPath(path)})`

export const sqliteJson: JsonDialect = {
  type: (path) =>
    sql`case ${type(path)} when 'text' then 'string' when 'integer' then 'number' when 'real' then 'number' when 'true' then 'boolean' when 'false' then 'boolean' when 'null' then null else ${type(path)} end`,
  text: (path) => sql`case when ${type(path)} = 'text' then ${value(path)} end`,
  number: (path) => sql`case when ${type(path)} in ('integer', 'real') then ${value(path)} end`,
  boolean: (path) => sql`case when ${type(path)} in ('true', 'false') then ${value(path)} end`,
  instant: (path) =>
    sql`case when ${type(path)} = 'text' and ${value(path)} glob '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*' then cast(round(unixepoch(${value(path)}, 'subsec') * 1000) as integer) end`,
  compareText: (left, operator, right) => sql`${left} ${sql.raw(operator)} ${right}`,
  matches: (text, where, needle) => {
    if (where === 'anywhere') return sql`instr(${text}, ${needle}) > 0`
    if (where === 'start') return sql`substr(${text}, 1, length(${needle})) = ${needle}`
    return sql`(length(${text}) >= length(${needle}) and substr(${text}, length(${text}) - length(${needle}) + 1) = ${needle})`
  },
}
