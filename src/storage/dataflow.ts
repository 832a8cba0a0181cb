import { and, eq, exists, inArray, ne, sql } from 'drizzle-orm'
import type { DataflowState } from '../domain/model.ts'
import type { Database, ExpectingQuery, Query } from './database.ts'
import { contains, isAmong, isVisible, plausibleIds } from './filter.ts'
import { type Direction, type PageArgs, selectPage } from './paging.ts'
import type { NewRow, Row } from './tables.ts'

export interface DataflowFilter {
  ids?: string[] | null | undefined
  destinationId?: string | null | undefined
  /** Dataflows that the segment is mapped in. */
  segmentId?: string | null | undefined
  state?: DataflowState[] | null | undefined
  search?: string | null | undefined
}
export interface DataflowOrder {
  field: 'CREATED_AT' | 'NAME' | 'UPDATED_AT'
  direction: Direction
}

export function dataflowStore(database: Database) {
  const { db, tables } = database
  const { dataflows, segmentMappings: mappings } = tables
  const columns = {
    CREATED_AT: dataflows.createdAt,
    NAME: dataflows.name,
    UPDATED_AT: dataflows.updatedAt,
  }
  const carries = (segmentId: string) =>
    exists(
      db
        .select({ one: sql`1` })
        .from(mappings)
        .where(
          and(
            eq(mappings.dataflowId, dataflows.id),
            inArray(mappings.segmentId, plausibleIds([segmentId])),
            ne(mappings.elementStatus, 'DELETED'),
          ),
        ),
    )

  return {
    /** `visible`: only those that lead to a partner's destinations. */
    byIds: (
      sandboxId: string,
      ids: readonly string[],
      visible: readonly string[] | null = null,
    ): Promise<Row<'dataflows'>[]> =>
      db
        .select()
        .from(dataflows)
        .where(
          and(
            eq(dataflows.sandboxId, sandboxId),
            inArray(dataflows.id, plausibleIds(ids)),
            isVisible(dataflows.destinationId, visible),
          ),
        ),

    /**
     * Oldest first unless ordered otherwise.
     * @throws Refusal for bad paging or too long a filter
     */
    async page(options: {
      sandboxId: string
      filter?: DataflowFilter | null | undefined
      orderBy?: DataflowOrder | null | undefined
      args: PageArgs
      maxPageSize: number
    }) {
      const { sandboxId, args, maxPageSize } = options
      const filter = options.filter ?? {}
      const { field, direction } = options.orderBy ?? { field: 'CREATED_AT', direction: 'ASC' }
      const where = and(
        eq(dataflows.sandboxId, sandboxId),
        isAmong({ column: dataflows.id, values: filter.ids, name: 'ids' }),
        filter.destinationId == null
          ? undefined
          : inArray(dataflows.destinationId, plausibleIds([filter.destinationId])),
        filter.segmentId == null ? undefined : carries(filter.segmentId),
        isAmong({ column: dataflows.state, values: filter.state, name: 'state' }),
        contains(dataflows.name, filter.search),
      )
      const order = { name: field, column: columns[field], direction }
      return selectPage({ db, table: dataflows, where, list: [sandboxId, filter], order, args, maxPageSize })
    },

    insert: (row: NewRow<'dataflows'>): Query => db.insert(dataflows).values(row),

    /** Misses its row when it was changed after it was read. */
    update: (
      read: Pick<Row<'dataflows'>, 'id' | 'updatedAt'>,
      changes: Partial<Omit<NewRow<'dataflows'>, 'id' | 'sandboxId' | 'destinationId'>>,
    ): ExpectingQuery => ({
      query: db
        .update(dataflows)
        .set(changes)
        .where(and(eq(dataflows.id, read.id), eq(dataflows.updatedAt, read.updatedAt))),
      expect: 1,
    }),

    /** All dataflows of a destination that is being removed. */
    disableAll: (destinationId: string, updatedAt: Date): Query =>
      db
        .update(dataflows)
        .set({ state: 'DISABLED', updatedAt })
        .where(and(eq(dataflows.destinationId, destinationId), eq(dataflows.state, 'ENABLED'))),
  }
}
