import { and, eq, exists, inArray, ne, sql } from 'drizzle-orm'
import type { DataflowState } from '../domain/model.ts'
import type { Database, ExpectingQuery, Query } from './database.ts'
import { contains, hasId, is, isAlso, isAmong, isVisible } from './filter.ts'
import { type Direction, type Paging, selectPage, selectPages } from './paging.ts'
import { type Condition, reader, type Selection } from './read.ts'
import type { Destinations } from './run-cancel.ts'
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
  const carries = (segmentId: string): Condition => ({
    name: 'carries',
    values: [segmentId],
    sql: ([bound]) =>
      exists(
        db
          .select({ one: sql`1` })
          .from(mappings)
          .where(
            and(
              eq(mappings.dataflowId, dataflows.id),
              sql`${mappings.segmentId} = ${bound}`,
              ne(mappings.elementStatus, 'DELETED'),
            ),
          ),
      ),
  })
  const ordering = (orderBy: DataflowOrder | null | undefined) => {
    const { field, direction } = orderBy ?? { field: 'CREATED_AT', direction: 'ASC' }
    return { name: field, column: columns[field], tie: dataflows.id, direction }
  }
  const read = reader(database, dataflows)

  return {
    /** `visible`: only those that lead to a partner's destinations. */
    byIds: (
      sandboxId: string,
      ids: readonly string[],
      visible: readonly string[] | null = null,
      only?: Selection,
    ): Promise<Row<'dataflows'>[]> =>
      read.rows(
        [
          isAlso(dataflows.sandboxId, sandboxId),
          hasId(dataflows.id, ids),
          isVisible(dataflows.destinationId, visible),
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
        filter?: DataflowFilter | null | undefined
        orderBy?: DataflowOrder | null | undefined
      },
    ) {
      const { sandboxId, args, maxPageSize, only } = options
      const filter = options.filter ?? {}
      const where = [
        is(dataflows.sandboxId, sandboxId),
        isAmong({ column: dataflows.id, values: filter.ids, name: 'ids' }),
        filter.destinationId == null ? undefined : is(dataflows.destinationId, filter.destinationId),
        filter.segmentId == null ? undefined : carries(filter.segmentId),
        isAmong({ column: dataflows.state, values: filter.state, name: 'state' }),
        contains(dataflows.name, filter.search),
      ]
      return selectPage({ reader: read, where, order: ordering(options.orderBy), args, maxPageSize, only })
    },

    /** Those that lead to each of the destinations, oldest first. */
    pagesByDestination(
      destinationIds: readonly string[],
      { sandboxId, ...paging }: Paging & { sandboxId: string },
    ) {
      const parents = { column: dataflows.destinationId, ids: destinationIds }
      const where = [isAlso(dataflows.sandboxId, sandboxId)]
      // Ids are made in the order of time, and the index of the destinations holds them.
      const order = { name: 'ID', column: dataflows.id, tie: dataflows.id, direction: 'ASC' as const }
      return selectPages({ reader: read, parents, where, order, ...paging })
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

    /** All dataflows to destinations that are taken out of use. */
    disableTo: (destinations: Destinations, updatedAt: Date): Query =>
      db
        .update(dataflows)
        .set({ state: 'DISABLED', updatedAt })
        .where(and(inArray(dataflows.destinationId, destinations), eq(dataflows.state, 'ENABLED'))),
  }
}
