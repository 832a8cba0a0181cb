import { type Column, type SQL, sql } from 'drizzle-orm'
import type { FirstOfEach } from './capabilities.ts'

/** An index leads to each parent's first rows, and they leave as one JSON text. */
export function postgresFirstOfEach(rows: FirstOfEach): SQL {
  const { table, columns, joined, parent, parents, where, sorting, limit } = rows
  const list = (parts: SQL[]) => sql.join(parts, sql`, `)
  const direction = sql.raw(sorting.direction)
  const all: Column[] = [...columns, ...joined.flatMap((join) => join.columns)]
  const cells = all.map((_, index) => sql.identifier(`c${index}`))
  return sql`
    select parents.value, (select coalesce(json_agg(json_build_array(${list(cells.map((cell) => sql`${cell}`))})), '[]') from (
      select ${list(all.map((column, index) => sql`${column} as ${cells[index]}`))} from ${table}
        ${sql.join(joined.map(({ table: other, by }) => sql` left join ${other} on ${other.id} = ${by}`))}
      where ${parent} = parents.value and ${where}
      order by ${list(sorting.columns.map((column) => sql`${column} ${direction}`))} limit ${limit}) as first_rows)
    from jsonb_array_elements_text(${parents}::jsonb) as parents(value)`
}
