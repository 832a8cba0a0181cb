import { and, eq, ne, type SQLWrapper, sql } from 'drizzle-orm'
import type { DestinationStatus } from '../domain/model.ts'
import type { Database, ExpectingQuery, Query } from './database.ts'
import { contains, hasId, is, isAlso, isAmong, isVisible } from './filter.ts'
import { type Direction, type Paging, selectPage, selectPages } from './paging.ts'
import { reader, type Selection } from './read.ts'
import type { NewRow, Row } from './tables.ts'

export interface DestinationFilter {
  ids?: string[] | null | undefined
  search?: string | null | undefined
  type?: string[] | null | undefined
  status?: DestinationStatus[] | null | undefined
}
export interface DestinationOrder {
  field: 'CREATED_AT' | 'NAME' | 'UPDATED_AT'
  direction: Direction
}

export function destinationStore(database: Database) {
  const { db, tables } = database
  const { destinations, sandboxes } = tables
  const columns = {
    CREATED_AT: destinations.createdAt,
    NAME: destinations.name,
    UPDATED_AT: destinations.updatedAt,
  }
  const ordering = (orderBy: DestinationOrder | null | undefined) => {
    const { field, direction } = orderBy ?? { field: 'CREATED_AT', direction: 'ASC' }
    return { name: field, column: columns[field], tie: destinations.id, direction }
  }
  const read = reader(database, destinations)
  const isKept = ne(destinations.status, 'REMOVED')
  const countKept = (sandboxId: string) =>
    db
      .select({ count: sql<number>`count(*)`.mapWith(Number) })
      .from(destinations)
      .where(and(eq(destinations.sandboxId, sandboxId), isKept))

  return {
    /** `visible` narrows this and what follows to what hangs on a partner's destinations. */
    byIds: (
      sandboxId: string,
      ids: readonly string[],
      visible: readonly string[] | null = null,
      only?: Selection,
    ): Promise<Row<'destinations'>[]> =>
      read.rows(
        [
          isAlso(destinations.sandboxId, sandboxId),
          hasId(destinations.id, ids),
          isVisible(destinations.id, visible),
        ],
        { only },
      ),

    /**
     * Oldest first unless ordered otherwise.
     * @throws Refusal for bad paging or too long a filter
     */
    async page(
      options: Paging & {
        sandboxId: string
        visible?: readonly string[] | null
        filter?: DestinationFilter | null | undefined
        orderBy?: DestinationOrder | null | undefined
      },
    ) {
      const { sandboxId, visible = null, args, maxPageSize, only } = options
      const filter = options.filter ?? {}
      const where = [
        is(destinations.sandboxId, sandboxId),
        isVisible(destinations.id, visible),
        isAmong({ column: destinations.id, values: filter.ids, name: 'ids' }),
        contains(destinations.name, filter.search),
        isAmong({ column: destinations.type, values: filter.type, name: 'type' }),
        isAmong({ column: destinations.status, values: filter.status, name: 'status' }),
      ]
      return selectPage({ reader: read, where, order: ordering(options.orderBy), args, maxPageSize, only })
    },

    /** Those built on each of the accounts, oldest first. */
    pagesByAccount(accountIds: readonly string[], { sandboxId, ...paging }: Paging & { sandboxId: string }) {
      const parents = { column: destinations.accountId, ids: accountIds }
      const where = [isAlso(destinations.sandboxId, sandboxId)]
      return selectPages({ reader: read, parents, where, order: ordering(null), ...paging })
    },

    /** Destinations of the sandbox that are not removed. */
    async countKept(sandboxId: string): Promise<number> {
      const [row] = await countKept(sandboxId)
      return row?.count ?? 0
    },

    /**
     * The row gets the next number of the gateway. The sandbox's row is locked first, so that
     * concurrent inserts count each other: more than `maxKept` of them undo the batch.
     */
    insert: (row: Omit<NewRow<'destinations'>, 'number'>, maxKept: number): (Query | ExpectingQuery)[] => {
      const lock = (condition?: ReturnType<typeof sql>) =>
        db
          .update(sandboxes)
          .set({ title: sql`${sandboxes.title}` })
          .where(and(eq(sandboxes.id, row.sandboxId), condition))
      const number = sql`(select coalesce(max(${destinations.number}), 0) + 1 from ${destinations})`
      return [
        { query: lock(), expect: 1 },
        db.insert(destinations).values({ ...row, number }),
        { query: lock(sql`(${countKept(row.sandboxId)}) <= ${maxKept}`), expect: 1 },
      ]
    },

    /** Misses its row when the destination is removed meanwhile. */
    update: (
      id: string,
      changes: Partial<Omit<NewRow<'destinations'>, 'id' | 'sandboxId' | 'number'>>,
    ): ExpectingQuery => ({
      query: db
        .update(destinations)
        .set(changes)
        .where(and(eq(destinations.id, id), isKept)),
      expect: 1,
    }),

    /** All that are built on an account: what is done to them is done in one batch with its removal. */
    onAccount: (accountId: string): SQLWrapper =>
      db.select({ id: destinations.id }).from(destinations).where(eq(destinations.accountId, accountId)),

    /** Those that are built on an account that is removed. */
    disableOnAccount: (accountId: string, updatedAt: Date): Query =>
      db
        .update(destinations)
        .set({ status: 'DISABLED', updatedAt })
        .where(and(eq(destinations.accountId, accountId), eq(destinations.status, 'ENABLED'))),

    /** Locks the destination for the rest of the batch; misses its row when it is removed meanwhile. */
    keep: (id: string): ExpectingQuery => ({
      query: db
        .update(destinations)
        .set({ status: sql`${destinations.status}` })
        .where(and(eq(destinations.id, id), isKept)),
      expect: 1,
    }),
  }
}
