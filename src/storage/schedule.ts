// What is exported by schedule: which mappings count, and what was done about their slots.
import { and, asc, eq, gt, inArray, isNotNull, isNull, max } from 'drizzle-orm'
import type { Schedule } from '../domain/model.ts'
import type { Database, ExpectingQuery } from './database.ts'
import { isActive, unindexed } from './run-event.ts'
import type { Row } from './tables.ts'

export type ScheduledMapping = Awaited<ReturnType<ScheduleStore['page']>>[number]
export type ScheduleStore = ReturnType<typeof scheduleStore>

/** Of active mappings, where neither the dataflow nor its destination is disabled. */
const counts = ({ segmentMappings: mappings, dataflows, destinations }: Database['tables']) =>
  and(
    eq(mappings.elementStatus, 'ACTIVE'),
    eq(dataflows.state, 'ENABLED'),
    eq(destinations.status, 'ENABLED'),
  )

/** The schedules by which dataflows are exported, each of a dataflow's once however many segments have it. */
export function activeSchedulesOf(
  { db, tables }: Database,
  sandboxId: string,
  dataflowIds: readonly string[],
): Promise<{ dataflowId: string; schedule: Schedule }[]> {
  const { segmentMappings: mappings, dataflows, destinations } = tables
  return db
    .selectDistinct({ dataflowId: mappings.dataflowId, schedule: mappings.schedule })
    .from(mappings)
    .innerJoin(dataflows, eq(dataflows.id, mappings.dataflowId))
    .innerJoin(destinations, eq(destinations.id, mappings.destinationId))
    .where(
      and(eq(mappings.sandboxId, sandboxId), inArray(mappings.dataflowId, [...dataflowIds]), counts(tables)),
    )
}

export function scheduleStore(database: Database) {
  const { db, tables } = database
  const { segmentMappings: mappings, dataflows, destinations, segments, snapshots, runs } = tables

  return {
    /** Of all sandboxes, by their ids, those after one of them; with when their segment was last evaluated. */
    page: (after: string, limit: number) =>
      db
        .select({
          id: mappings.id,
          sandboxId: mappings.sandboxId,
          dataflowId: mappings.dataflowId,
          segmentId: mappings.segmentId,
          schedule: mappings.schedule,
          slotsUntil: mappings.slotsUntil,
          activatedAt: mappings.activatedAt,
          evaluatedAt: snapshots.evaluatedAt,
        })
        .from(mappings)
        .innerJoin(dataflows, eq(dataflows.id, mappings.dataflowId))
        .innerJoin(destinations, eq(destinations.id, mappings.destinationId))
        .innerJoin(segments, eq(segments.id, mappings.segmentId))
        .leftJoin(snapshots, eq(snapshots.id, segments.snapshotId))
        .where(and(gt(mappings.id, after), counts(tables)))
        .orderBy(asc(mappings.id))
        .limit(limit),

    /** The newest slot of the mapping that a run was made for. */
    async lastDue(mappingId: string): Promise<Date | null> {
      const [row] = await db
        .select({ dueAt: max(runs.dueAt) })
        .from(runs)
        .where(and(eq(runs.mappingId, mappingId), isNotNull(runs.dueAt)))
      return row?.dueAt ?? null
    },

    /** The scheduled run of the mapping that has not ended; there is at most one. */
    async activeRun(mappingId: string): Promise<Pick<Row<'runs'>, 'id'> | null> {
      const isOfSlot = and(eq(unindexed(runs.mappingId), mappingId), eq(runs.trigger, 'SCHEDULED'))
      const [row] = await db
        .select({ id: runs.id })
        .from(runs)
        .where(and(isActive(tables), isOfSlot))
        .limit(1)
      return row ?? null
    },

    /** The write that deals with every slot up to a moment; misses its row when somebody was faster, or it was unmapped. */
    moveOn: (
      { id, slotsUntil }: Pick<Row<'segmentMappings'>, 'id' | 'slotsUntil'>,
      upTo: Date,
    ): ExpectingQuery => {
      const isAsRead = slotsUntil === null ? isNull(mappings.slotsUntil) : eq(mappings.slotsUntil, slotsUntil)
      const which = and(eq(mappings.id, id), eq(mappings.elementStatus, 'ACTIVE'), isAsRead)
      return { query: db.update(mappings).set({ slotsUntil: upTo }).where(which), expect: 1 }
    },
  }
}
