// Relay paging by keyset: stable under inserts, forward and backward, one statement a page.
import { type AnyColumn, and, asc, desc, getTableName, type SQL, sql } from 'drizzle-orm'
import type { SQLiteTable } from 'drizzle-orm/sqlite-core'
import { invalid, Refusal } from '../domain/errors.ts'
import { type CursorValue, cursorsOf } from './cursor.ts'
import type { Db } from './database.ts'

export interface PageArgs {
  first?: number | null | undefined
  after?: string | null | undefined
  last?: number | null | undefined
  before?: string | null | undefined
}
export type Direction = 'ASC' | 'DESC'
export interface Ordering {
  /** Part of what a cursor is bound to. */
  name: string
  /** Must never be null. Dates and texts and numbers alike. */
  column: AnyColumn
  direction: Direction
}
export interface Page<Row> {
  rows: Row[]
  hasNextPage: boolean
  hasPreviousPage: boolean
  cursorOf(row: Row): string
  /** Counted only when asked for. */
  totalCount(): Promise<number>
}

const DEFAULT_PAGE_SIZE = 20

/** @throws Refusal INVALID_INPUT for a size out of 1…maxPageSize, both directions at once, or a cursor that is not of this list */
export async function selectPage<T extends SQLiteTable & { id: AnyColumn }>(options: {
  db: Db
  table: T
  where: SQL | undefined
  /** What makes it this list and no other: sandbox, parent, filter, what may be seen. Cursors are bound to it. */
  list: readonly unknown[]
  order: Ordering
  args: PageArgs
  maxPageSize: number
}): Promise<Page<T['$inferSelect']>> {
  type Row = T['$inferSelect']
  const { db, table, where, order, args } = options
  const backward = args.last != null
  const size = pageSize(args, options.maxPageSize)
  const key = order.column.name
  // Walking backward is walking forward in the opposite order, then turning the page round.
  const ascending = (order.direction === 'ASC') !== backward
  const towards = sql.raw(ascending ? '>' : '<')
  const against = sql.raw(ascending ? '<' : '>')
  const cursors = cursorsOf([getTableName(table), order.name, order.direction, ...options.list])
  const position = (cursor: string, path: string, operator: SQL) => {
    const [value, id] = cursors.decode(cursor, path)
    return sql`(${order.column}, ${table.id}) ${operator} (${sql.param(value)}, ${id})`
  }
  const start = backward ? args.before : args.after
  const end = backward ? args.after : args.before
  const sort = ascending ? asc : desc

  const fetched = (await db
    .select()
    .from(table as SQLiteTable)
    .where(
      and(
        where,
        start ? position(start, backward ? 'before' : 'after', towards) : undefined,
        end ? position(end, backward ? 'after' : 'before', against) : undefined,
      ),
    )
    .orderBy(sort(order.column), sort(table.id))
    .limit(size + 1)) as Row[]
  const more = fetched.length > size
  const rows = fetched.slice(0, size)
  if (backward) rows.reverse()
  const property =
    Object.keys(table).find((name) => (table as Record<string, unknown>)[name] === order.column) ?? key

  return {
    rows,
    hasNextPage: backward ? Boolean(args.before) : more,
    hasPreviousPage: backward ? more : Boolean(args.after),
    cursorOf: (row) => {
      const fields = row as Record<string, unknown>
      const value = order.column.mapToDriverValue(fields[property]) as CursorValue
      return cursors.encode(value, String(fields.id))
    },
    totalCount: async () => {
      const [row] = await db
        .select({ count: sql<number>`count(*)`.mapWith(Number) })
        .from(table as SQLiteTable)
        .where(where)
      return row?.count ?? 0
    },
  }
}

/** @throws Refusal INVALID_INPUT naming 1…max */
export function pageSize(args: PageArgs, max: number): number {
  if (args.first != null && args.last != null) {
    throw new Refusal(invalid(['last'], 'Give either first or last, not both.'))
  }
  const name = args.last != null ? 'last' : 'first'
  const size = args.last ?? args.first ?? DEFAULT_PAGE_SIZE
  if (!Number.isInteger(size) || size < 1 || size > max) {
    throw new Refusal(invalid([name], `${name} must be between 1 and ${max}.`))
  }
  return size
}
