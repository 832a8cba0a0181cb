import { and, eq, inArray, type SQL, sql } from 'drizzle-orm'
import type { MappingStanding } from '../domain/health.ts'
import type { DataflowState, DestinationStatus } from '../domain/model.ts'
import type { Database } from './database.ts'

/** How a dataflow stands, and one of its active mappings; null: it has none. */
export interface StandingRow {
  dataflowId: string
  state: DataflowState
  destinationStatus: DestinationStatus
  lastSuccessAt: Date | null
  mapping: MappingStanding | null
  /** Slots of the mapping since the moment asked about for which nothing ran, as its runs have recorded it. */
  missedSlots: number
}

/** One row for each active mapping of the dataflows, and one for a dataflow without. Each look at runs is one into an index. */
export async function dataflowStandings(
  { db, tables }: Database,
  { sandboxId, dataflowIds, since }: { sandboxId: string; dataflowIds: readonly string[]; since: Date },
): Promise<StandingRow[]> {
  const { dataflows, destinations, segmentMappings: mappings, runs } = tables
  const newestRun = sql`(select newest.id from ${runs} as newest
    where newest.mapping_id = ${mappings.id} and newest.due_at is not null order by newest.due_at desc limit 1)`
  const missed = sql`(select coalesce(sum(passed.missed_slots), 0) from ${runs} as passed
    where passed.mapping_id = ${mappings.id} and passed.due_at is not null and passed.due_at > ${sql.param(since, runs.dueAt)})`
  const success: SQL<Date | null> = sql`(select done.completed_at from ${runs} as done
    where done.dataflow_id = ${dataflows.id} and done.status = 'SUCCESS' order by done.created_at desc, done.id desc limit 1)`
  const rows = await db
    .select({
      dataflowId: dataflows.id,
      state: dataflows.state,
      destinationStatus: destinations.status,
      lastSuccessAt: success.mapWith(runs.completedAt),
      missedSlots: missed.mapWith(Number),
      mappingId: mappings.id,
      schedule: mappings.schedule,
      slotsUntil: mappings.slotsUntil,
      activatedAt: mappings.activatedAt,
      status: runs.status,
      dueAt: runs.dueAt,
      isLate: runs.isLate,
    })
    .from(dataflows)
    .innerJoin(destinations, eq(destinations.id, dataflows.destinationId))
    .leftJoin(mappings, and(eq(mappings.dataflowId, dataflows.id), eq(mappings.elementStatus, 'ACTIVE')))
    .leftJoin(runs, eq(runs.id, newestRun))
    .where(and(eq(dataflows.sandboxId, sandboxId), inArray(dataflows.id, [...dataflowIds])))
  return rows.map(({ schedule, slotsUntil, activatedAt, status, dueAt, isLate, ...row }) => ({
    ...row,
    mapping:
      schedule && activatedAt
        ? {
            schedule,
            slotsUntil,
            activatedAt,
            run: status ? { status, dueAt, isLate: isLate ?? false } : null,
          }
        : null,
  }))
}
