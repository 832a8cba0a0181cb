import { and, eq, inArray, ne, or, sql } from 'drizzle-orm'
import type { MappingStatus } from '../domain/model.ts'
import type { Database, ExpectingQuery, Query } from './database.ts'
import { contains, hasId, isAlso, isAmong, isVisible, plausibleIds, since } from './filter.ts'
import { appendMappingChanges } from './mapping-change.ts'
import { type Paging, selectPages } from './paging.ts'
import { reader, type Selection } from './read.ts'
import type { NewRow, Row } from './tables.ts'

export interface SegmentMappingFilter {
  numbers?: number[] | null | undefined
  status?: MappingStatus[] | null | undefined
  /** In the element's name. */
  search?: string | null | undefined
  updatedSince?: Date | null | undefined
}

/** A partner that keeps a copy asks for all of its numbers at once. */
export const MAX_NUMBERS = 1000

/** A mapping, and its segment where that was asked for with it. */
export type MappingRow = Row<'segmentMappings'> & { segment?: Row<'segments'> }

export function segmentMappingStore(database: Database) {
  const { db, tables } = database
  const { segmentMappings: mappings, destinations, segments } = tables
  const parentColumns = {
    destination: mappings.destinationId,
    dataflow: mappings.dataflowId,
    segment: mappings.segmentId,
  }
  const read = reader(database, mappings, {
    joins: { segment: { table: segments, by: mappings.segmentId } },
  })
  const select = (condition: ReturnType<typeof and>, sandboxId: string) =>
    db
      .select()
      .from(mappings)
      .where(and(eq(mappings.sandboxId, sandboxId), condition))
      .orderBy(mappings.id)
  const countActive = (destinationId: string) =>
    db
      .select({ count: sql<number>`count(*)`.mapWith(Number) })
      .from(mappings)
      .where(and(eq(mappings.destinationId, destinationId), eq(mappings.elementStatus, 'ACTIVE')))

  return {
    /** `visible`: only those to a partner's destinations. */
    byIds: (
      sandboxId: string,
      ids: readonly string[],
      visible: readonly string[] | null = null,
      only?: Selection,
    ): Promise<Row<'segmentMappings'>[]> =>
      read.rows(
        [
          isAlso(mappings.sandboxId, sandboxId),
          hasId(mappings.id, ids),
          isVisible(mappings.destinationId, visible),
        ],
        { only },
      ),
    byNumbers: (sandboxId: string, numbers: readonly number[]): Promise<Row<'segmentMappings'>[]> =>
      select(inArray(mappings.number, [...numbers]), sandboxId),
    /** Of any status. */
    byDataflows: (sandboxId: string, dataflowIds: readonly string[]): Promise<Row<'segmentMappings'>[]> =>
      select(inArray(mappings.dataflowId, plausibleIds(dataflowIds)), sandboxId),
    /** Of any status. */
    bySegments: (sandboxId: string, segmentIds: readonly string[]): Promise<Row<'segmentMappings'>[]> =>
      select(inArray(mappings.segmentId, plausibleIds(segmentIds)), sandboxId),
    /** The mappings of the segments in one dataflow, of any status. */
    inDataflow: (options: {
      sandboxId: string
      dataflowId: string
      segmentIds: readonly string[]
    }): Promise<Row<'segmentMappings'>[]> =>
      select(
        and(
          eq(mappings.dataflowId, options.dataflowId),
          inArray(mappings.segmentId, plausibleIds(options.segmentIds)),
        ),
        options.sandboxId,
      ),
    async byPair(
      sandboxId: string,
      pair: { dataflowId: string; segmentId: string },
    ): Promise<Row<'segmentMappings'> | null> {
      const isPair = and(eq(mappings.dataflowId, pair.dataflowId), eq(mappings.segmentId, pair.segmentId))
      const [row] = await select(isPair, sandboxId)
      return row ?? null
    },

    /**
     * The mappings of each destination, dataflow or segment, oldest first.
     * `visible` narrows a segment's list to what a partner may see.
     * @throws Refusal for bad paging or too long a filter
     */
    async pages(
      of: { parent: keyof typeof parentColumns; ids: readonly string[] },
      options: Paging & {
        sandboxId: string
        visible: readonly string[] | null
        filter?: SegmentMappingFilter | null | undefined
      },
    ) {
      const { sandboxId, visible, args, maxPageSize, only } = options
      const filter = options.filter ?? {}
      const where = [
        isAlso(mappings.sandboxId, sandboxId),
        isVisible(mappings.destinationId, visible),
        isAmong({ column: mappings.number, values: filter.numbers, name: 'numbers', max: MAX_NUMBERS }),
        isAmong({ column: mappings.elementStatus, values: filter.status, name: 'status' }),
        contains(mappings.elementName, filter.search),
        since(mappings.updatedAt, filter.updatedSince),
      ]
      // A number is one row of the gateway. Ids and numbers are both made in the order of time: what is looked up by
      // number is found in the order of numbers, and needs no sorting.
      const isFewRows = filter.numbers != null
      const column = isFewRows ? mappings.number : mappings.id
      const order = { name: isFewRows ? 'NUMBER' : 'ID', column, tie: column, direction: 'ASC' as const }
      const parents = { column: parentColumns[of.parent], ids: of.ids, isFewRows }
      return selectPages({ reader: read, parents, where, order, args, maxPageSize, only })
    },

    /** Those of the segments that may be mapped: all but deleted ones. */
    mappable: (
      sandboxId: string,
      segmentIds: readonly string[],
    ): Promise<Pick<Row<'segments'>, 'id' | 'name'>[]> =>
      db
        .select({ id: segments.id, name: segments.name })
        .from(segments)
        .where(
          and(
            eq(segments.sandboxId, sandboxId),
            inArray(segments.id, plausibleIds(segmentIds)),
            ne(segments.status, 'DELETED'),
          ),
        ),

    /** Locks the segments for the rest of the batch; misses one that is deleted or renamed meanwhile. Each comes once. */
    keepMappable: (mapped: readonly Pick<Row<'segments'>, 'id' | 'name'>[]): ExpectingQuery => ({
      query: db
        .update(segments)
        .set({ status: sql`${segments.status}` })
        .where(
          and(
            or(...mapped.map(({ id, name }) => and(eq(segments.id, id), eq(segments.name, name)))),
            ne(segments.status, 'DELETED'),
          ),
        ),
      expect: mapped.length,
    }),

    async countActive(destinationId: string): Promise<number> {
      const [row] = await countActive(destinationId)
      return row?.count ?? 0
    },

    /** The row gets the next number of the gateway. */
    insert: (row: Omit<NewRow<'segmentMappings'>, 'number'>): Query => {
      const number = sql`(select coalesce(max(${mappings.number}), 0) + 1 from ${mappings})`
      return db.insert(mappings).values({ ...row, number })
    },

    /** Misses its row when the mapping has another status than `was` by now. */
    update: (
      id: string,
      was: MappingStatus,
      changes: Partial<Omit<NewRow<'segmentMappings'>, 'id' | 'sandboxId' | 'number'>>,
    ): ExpectingQuery => ({
      query: db
        .update(mappings)
        .set(changes)
        .where(and(eq(mappings.id, id), eq(mappings.elementStatus, was))),
      expect: 1,
    }),

    /** The write that lets slots count from a moment on: those of a pause are not missed. */
    beginSlots: (parent: keyof typeof parentColumns, id: string, at: Date): Query =>
      db.update(mappings).set({ slotsUntil: at }).where(eq(parentColumns[parent], id)),

    /** The writes that log a change of the mappings of these segments in a dataflow; they are there by then. */
    logChanges: (dataflowId: string, segmentIds: readonly string[], at: Date): Query[] => {
      const where = and(eq(mappings.dataflowId, dataflowId), inArray(mappings.segmentId, [...segmentIds]))
      return where && segmentIds.length > 0 ? appendMappingChanges(database, { where, at }) : []
    },

    /**
     * The writes that let the mappings of a segment follow a change of its name, description or status. A mapping that
     * bears the segment's old name takes the new one.
     */
    followSegment: (segment: Pick<Row<'segments'>, 'id' | 'name'>, newName: string, at: Date): Query[] => {
      const where = sql`${mappings.segmentId} = ${segment.id} and ${mappings.elementStatus} <> 'DELETED'`
      const isNamesake = eq(mappings.elementName, segment.name)
      const elementName = sql`case when ${isNamesake} then ${newName} else ${mappings.elementName} end`
      return [
        ...appendMappingChanges(database, { where, at }),
        db.update(mappings).set({ elementName, updatedAt: at }).where(where),
      ]
    },

    /** The writes that unmap a segment everywhere. */
    deleteOfSegment: (segmentId: string, at: Date): Query[] => {
      const where = sql`${mappings.segmentId} = ${segmentId} and ${mappings.elementStatus} <> 'DELETED'`
      return [
        ...appendMappingChanges(database, { where, at }),
        db.update(mappings).set({ elementStatus: 'DELETED', updatedAt: at }).where(where),
      ]
    },

    /** Where the segment is mapped, or was. */
    async destinationsOf(segmentId: string): Promise<string[]> {
      const rows = await db
        .selectDistinct({ id: mappings.destinationId })
        .from(mappings)
        .where(eq(mappings.segmentId, segmentId))
      return rows.map(({ id }) => id)
    },

    /** Last in a batch: undoes it when the destination has more than `max` active mappings. */
    fit: (destinationId: string, max: number): ExpectingQuery => ({
      query: db
        .update(destinations)
        .set({ status: sql`${destinations.status}` })
        .where(and(eq(destinations.id, destinationId), sql`(${countActive(destinationId)}) <= ${max}`)),
      expect: 1,
    }),
  }
}
