import { type Column, type SQL, sql } from 'drizzle-orm'
import type { FirstOfEach } from './capabilities.ts'

/**
 * SQLite has no LATERAL: the first keys of each parent are found in a sub-select that an index answers, and their rows
 * are then looked up by those keys.
 */
export function sqliteFirstOfEach(rows: FirstOfEach): SQL {
  const { table, columns, joined, parent, isFewRows, parents, where, sorting, limit } = rows
  const found = (column: Column) => sql`found.${sql.identifier(column.name)}`
  const list = (parts: SQL[]) => sql.join(parts, sql`, `)
  const direction = sql.raw(sorting.direction)
  const unique = sorting.columns.at(-1) ?? parent
  const isParent = isFewRows ? sql`likely(${parent} = parents.value)` : sql`${parent} = parents.value`
  const first = sql`
    select ${unique} from ${table} where ${isParent} and ${where}
    order by ${list(sorting.columns.map((column) => sql`${column} ${direction}`))} limit ${limit}`
  // Where the key is unique in the whole table, an index of the parents would only lead through all of their rows.
  const ofParent = unique.primary ? sql`` : sql`${found(parent)} = parents.value and `
  return sql`
    select ${list([...columns.map(found), ...joined.flatMap((join) => join.columns.map((column) => sql`${column}`))])}
    from json_each(${parents}) as parents cross join ${table} as found
      ${sql.join(joined.map(({ table: other, by }) => sql` left join ${other} on ${other.id} = ${found(by)}`))}
    where ${ofParent}${found(unique)} in (${first})
    order by ${list(sorting.columns.map((column) => sql`${found(column)} ${direction}`))}`
}
