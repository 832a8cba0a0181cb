// Relay paging by keyset: stable under inserts, forward and backward, one statement a page, and one statement for the
// pages of however many parents.
import { type Column, sql } from 'drizzle-orm'
import { invalid, Refusal } from '../domain/errors.ts'
import { type CursorValue, cursorsOf } from './cursor.ts'
import { is, isAlso } from './filter.ts'
import type { Condition, Conditions, Parents, Reader, Selection } from './read.ts'

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
  column: Column
  /** What tells rows apart that are equal in `column`: the id. */
  tie: Column
  direction: Direction
}
/** What every list is asked with, and the most that a page may hold. */
export interface Paging {
  args: PageArgs
  maxPageSize: number
  /** What of the rows is looked at; everything when absent. */
  only?: Selection | undefined
}
export interface Page<Row> {
  rows: Row[]
  hasNextPage: boolean
  hasPreviousPage: boolean
  cursorOf(row: Row): string
  /** Counted only when asked for. */
  totalCount(): Promise<number>
}
interface ListOf<Row> extends Paging {
  reader: Reader<Row>
  /** With `order`, what makes it this list and no other: cursors are bound to it. */
  where: Conditions
  order: Ordering
}

const DEFAULT_PAGE_SIZE = 20

/**
 * A page of a list.
 * @throws Refusal INVALID_INPUT for a size out of 1…maxPageSize, both directions at once, or a cursor of another list
 */
export async function selectPage<Row>(list: ListOf<Row>): Promise<Page<Row>> {
  const { reader, where } = list
  const { size, sorting, positionsOf, pageOf } = plan(list)
  const rows = await reader.rows([...where, ...positionsOf('')], {
    sorting,
    limit: size + 1,
    only: list.only,
  })
  return pageOf({ rows, parentId: '', totalCount: () => reader.count(where) })
}

/**
 * The same page of the list of each parent, by the parent's id.
 * @throws Refusal as `selectPage` does; a cursor must be of the list of the only parent
 */
export async function selectPages<Row>(
  list: ListOf<Row> & { parents: Parents },
): Promise<Map<string, Page<Row>>> {
  const { reader, where, parents } = list
  const { size, sorting, positionsOf, pageOf } = plan(list)
  const options = { sorting, limit: size + 1, only: list.only }
  const [parentId = '', ...others] = parents.ids
  if (others.length === 0) {
    const isParent = (parents.isFewRows ? isAlso : is)(parents.column, parentId)
    const rows = await reader.rows([isParent, ...where, ...positionsOf(parentId)], options)
    const totalCount = () => reader.count([isParent, ...where])
    return new Map([[parentId, pageOf({ rows, parentId, totalCount })]])
  }
  const groups = await reader.rowsOfEach(parents, [...where, ...positionsOf('')], options)
  let counts: Promise<Map<string, number>> | undefined
  const totalCount = async (parentId: string) => {
    counts ??= reader.countOfEach(parents, where)
    return (await counts).get(parentId) ?? 0
  }
  return new Map(
    parents.ids.map((parentId) => [
      parentId,
      pageOf({ rows: groups.get(parentId) ?? [], parentId, totalCount: () => totalCount(parentId) }),
    ]),
  )
}

function plan<Row>({ reader, where, order, args, maxPageSize }: ListOf<Row>) {
  const size = pageSize(args, maxPageSize)
  const backward = args.last != null
  const property = propertyOf(reader, order.column)
  const tie = propertyOf(reader, order.tie)
  // Walking backward is walking forward in the opposite order, then turning the page round.
  const ascending = (order.direction === 'ASC') !== backward
  const cursorsIn = (parentId: string) => {
    const identity = where.map((condition) => condition && [condition.name, ...condition.values])
    return cursorsOf([reader.name, order.name, order.direction, parentId, ...identity])
  }

  return {
    size,
    sorting: {
      columns: order.column === order.tie ? [order.tie] : [order.column, order.tie],
      direction: ascending ? ('ASC' as const) : ('DESC' as const),
    },
    /** The conditions that the cursors stand for. */
    positionsOf(parentId: string): (Condition | undefined)[] {
      const position = (cursor: string | null | undefined, path: string, operator: '<' | '>') => {
        if (!cursor) return undefined
        return beyond(order, operator, cursorsIn(parentId).decode(cursor, path, placeType(order.column)))
      }
      const start = backward ? args.before : args.after
      const end = backward ? args.after : args.before
      return [
        position(start, backward ? 'before' : 'after', ascending ? '>' : '<'),
        position(end, backward ? 'after' : 'before', ascending ? '<' : '>'),
      ]
    },
    pageOf(found: { rows: Row[]; parentId: string; totalCount(): Promise<number> }): Page<Row> {
      const more = found.rows.length > size
      const rows = found.rows.slice(0, size)
      if (backward) rows.reverse()
      const cursors = cursorsIn(found.parentId)
      return {
        rows,
        hasNextPage: backward ? Boolean(args.before) : more,
        hasPreviousPage: backward ? more : Boolean(args.after),
        cursorOf: (row) => {
          const fields = row as Record<string, unknown>
          const value = fields[property]
          const place = value instanceof Date ? value.getTime() : value
          return cursors.encode(place as CursorValue, String(fields[tie]))
        },
        totalCount: found.totalCount,
      }
    },
  }
}

/** What a cursor holds of a column: dates as their milliseconds. */
const placeType = ({ dataType }: Column) =>
  dataType === 'date' || dataType === 'number' ? 'number' : 'string'

function beyond(order: Ordering, operator: '<' | '>', [place, id]: [CursorValue, string]): Condition {
  const { column, tie } = order
  const sign = sql.raw(operator)
  const value = column.dataType === 'date' ? new Date(place) : place
  if (column === tie) {
    return { name: `page ${operator}`, values: [value], sql: ([bound]) => sql`${tie} ${sign} ${bound}` }
  }
  return {
    name: `page ${operator}`,
    values: [value, id],
    sql: ([bound, boundId]) => sql`(${column}, ${tie}) ${sign} (${sql.param(bound, column)}, ${boundId})`,
  }
}

function propertyOf<Row>(reader: Reader<Row>, wanted: Column): string {
  const found = reader.columns.find(([, column]) => column === wanted)
  if (!found) throw new Error(`${wanted.name} is not read`)
  return found[0]
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
