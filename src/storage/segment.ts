import { and, eq, exists, inArray, like, ne, or, type SQL, sql } from 'drizzle-orm'
import type { SegmentStatus } from '../domain/model.ts'
import type { Database, ExpectingQuery, Query } from './database.ts'
import { contains, fixed, hasId, is, isAlso, isAmong, isVisible, since } from './filter.ts'
import { type Direction, type Paging, selectPage } from './paging.ts'
import { type Condition, reader, type Selection } from './read.ts'
import { ACTIVE_STATUSES } from './run-event.ts'
import type { NewRow, Row } from './tables.ts'

export interface SegmentFilter {
  ids?: string[] | null | undefined
  /** The numeric ids that partners see. */
  numbers?: number[] | null | undefined
  /** Text in the name, taken literally; upper and lower case are the same. */
  search?: string | null | undefined
  /** Deleted segments are listed only when asked for here. */
  status?: SegmentStatus[] | null | undefined
  /** Mapped to this destination. */
  destinationId?: string | null | undefined
  updatedSince?: Date | null | undefined
}
export interface SegmentOrder {
  field: 'CREATED_AT' | 'NAME' | 'UPDATED_AT'
  direction: Direction
}

export function segmentStore(database: Database) {
  const { db, tables } = database
  const { segments, segmentMappings, runs } = tables
  const columns = {
    CREATED_AT: segments.createdAt,
    NAME: segments.name,
    UPDATED_AT: segments.updatedAt,
  }
  const isKept = ne(segments.status, 'DELETED')
  const isMapped = (how: SQL | undefined) =>
    exists(
      db
        .select({ one: sql`1` })
        .from(segmentMappings)
        .where(and(eq(segmentMappings.segmentId, segments.id), how)),
    )
  const isMappedTo = (destinationId: string): Condition => ({
    name: 'mapped to',
    values: [destinationId],
    sql: ([bound]) =>
      isMapped(
        and(sql`${segmentMappings.destinationId} = ${bound}`, ne(segmentMappings.elementStatus, 'DELETED')),
      ),
  })
  /** Is or was mapped to one of a partner's destinations. */
  const isShownTo = (visible: readonly string[] | null): Condition | undefined => {
    const condition = isVisible(segmentMappings.destinationId, visible)
    return condition && { ...condition, sql: (bound, json) => isMapped(condition.sql(bound, json)) }
  }
  const read = reader(database, segments)
  const hasActiveRun = (id: string) =>
    sql`exists (select 1 from ${runs} where ${and(eq(runs.segmentId, id), inArray(runs.status, ACTIVE_STATUSES))})`

  return {
    /** Deleted ones too: history names them. `visible`: only those that are or were mapped to a partner's destinations. */
    byIds: (
      sandboxId: string,
      ids: readonly string[],
      visible: readonly string[] | null = null,
      only?: Selection,
    ): Promise<Row<'segments'>[]> =>
      read.rows([isAlso(segments.sandboxId, sandboxId), hasId(segments.id, ids), isShownTo(visible)], {
        only,
      }),

    /** Every segment that is not deleted, in the order of creation. */
    allKept: (sandboxId: string): Promise<Row<'segments'>[]> =>
      db
        .select()
        .from(segments)
        .where(and(eq(segments.sandboxId, sandboxId), isKept))
        .orderBy(segments.createdAt, segments.id),

    /**
     * Oldest first unless ordered otherwise.
     * @throws Refusal for bad paging or too long a filter
     */
    async page(
      options: Paging & {
        sandboxId: string
        filter?: SegmentFilter | null | undefined
        orderBy?: SegmentOrder | null | undefined
      },
    ) {
      const { sandboxId, args, maxPageSize, only } = options
      const filter = options.filter ?? {}
      const { field, direction } = options.orderBy ?? { field: 'CREATED_AT', direction: 'ASC' }
      const where = [
        is(segments.sandboxId, sandboxId),
        isAmong({ column: segments.id, values: filter.ids, name: 'ids' }),
        isAmong({ column: segments.number, values: filter.numbers, name: 'numbers' }),
        contains(segments.name, filter.search),
        filter.status
          ? isAmong({ column: segments.status, values: filter.status, name: 'status' })
          : fixed('kept', () => isKept),
        filter.destinationId == null ? undefined : isMappedTo(filter.destinationId),
        since(segments.updatedAt, filter.updatedSince),
      ]
      const order = { name: field, column: columns[field], tie: segments.id, direction }
      return selectPage({ reader: read, where, order, args, maxPageSize, only })
    },

    /** The row gets the next number of the gateway. */
    insert: (row: Omit<NewRow<'segments'>, 'number'>): Query =>
      db
        .insert(segments)
        .values({ ...row, number: sql`(select coalesce(max(${segments.number}), 0) + 1 from ${segments})` }),

    /** Only as long as the segment is as it was loaded. */
    update: (
      loaded: Pick<Row<'segments'>, 'id' | 'updatedAt'>,
      changes: Partial<Omit<NewRow<'segments'>, 'id' | 'sandboxId' | 'number'>>,
    ): ExpectingQuery => ({
      query: db
        .update(segments)
        .set(changes)
        .where(and(eq(segments.id, loaded.id), isKept, eq(segments.updatedAt, loaded.updatedAt))),
      expect: 1,
    }),

    /** A write that changes nothing, and fails when the segment is not as it was loaded. */
    unchanged: (loaded: Pick<Row<'segments'>, 'id' | 'updatedAt'>): ExpectingQuery => ({
      query: db
        .update(segments)
        .set({ updatedAt: loaded.updatedAt })
        .where(and(eq(segments.id, loaded.id), isKept, eq(segments.updatedAt, loaded.updatedAt))),
      expect: 1,
    }),

    /** Deletes a segment that no active run exports and no other rule names. */
    delete: (loaded: Row<'segments'>, updatedAt: Date): ExpectingQuery => {
      // Rules are written by JSON.stringify, or as PostgreSQL prints them; a text inside a rule has its quotes escaped.
      const others = db
        .select({ id: segments.id })
        .from(segments)
        .where(
          and(
            eq(segments.sandboxId, loaded.sandboxId),
            isKept,
            or(
              ...[':', ': '].map((colon) =>
                like(sql`cast(${segments.rule} as text)`, `%"segment"${colon}"${loaded.id}"%`),
              ),
            ),
          ),
        )
      return {
        query: db
          .update(segments)
          .set({ status: 'DELETED', updatedAt })
          .where(
            and(
              eq(segments.id, loaded.id),
              isKept,
              eq(segments.updatedAt, loaded.updatedAt),
              sql`not ${hasActiveRun(loaded.id)}`,
              sql`not exists ${others}`,
            ),
          ),
        expect: 1,
      }
    },

    /** An active run that exports the segment, if there is one. */
    async activeRun(sandboxId: string, segmentId: string): Promise<{ id: string } | null> {
      const [run] = await db
        .select({ id: runs.id })
        .from(runs)
        .where(
          and(
            eq(runs.sandboxId, sandboxId),
            eq(runs.segmentId, segmentId),
            inArray(runs.status, ACTIVE_STATUSES),
          ),
        )
        .limit(1)
      return run ?? null
    },
  }
}
