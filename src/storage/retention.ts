// What may be forgotten: found in pages along an index, deleted in slices of a size that the caller gives.
import { and, asc, eq, gt, inArray, isNotNull, lt, notExists, or, type SQL, sql } from 'drizzle-orm'
import type { Database, Query } from './database.ts'
import { ACTIVE_STATUSES } from './run-event.ts'
import { KEPT_SNAPSHOTS, UNFINISHED } from './snapshot.ts'

/** How far a walk along an index has come. */
export interface Place {
  at: Date
  id: string
}
export const START: Place = { at: new Date(0), id: '' }

/** A run that ended a long time ago, and what there is still of it. */
export interface EndedRun extends Place {
  activationId: string | null
  /** Besides the terminal one. */
  hasEvents: boolean
  hasRejections: boolean
  /** A later run of the mapping says all that this one says of how the mapping fares. */
  isOutdated: boolean
}

export const PAGE = 100

export function retentionStore(database: Database) {
  const { db, tables } = database
  const { activations, members, rejections, runEvents, runFiles, runs, segmentMappings, snapshots } = tables
  const flag = (condition: SQL) => sql<boolean>`${condition}`.mapWith(Boolean)
  const laterRun = (more: SQL) =>
    sql`exists (select 1 from ${runs} as later where later.mapping_id = ${runs.mappingId} and later.created_at > ${runs.createdAt} and ${more})`
  /** All but the last: whoever follows a run is told how it ended for as long as the run is there. */
  const isReplaceable = sql`${runEvents.seq} < (select ${runs.eventSeq} from ${runs} where ${runs.id} = ${runEvents.runId})`
  const beginsAfter = (at: SQL, id: SQL, place: SQL, placeId: string) =>
    and(sql`${at} >= ${place}`, or(sql`${at} > ${place}`, sql`${id} > ${placeId}`))

  return {
    /** Ended runs of a sandbox after a place and before a moment, oldest first: `PAGE` of them at most. */
    endedRuns: (sandboxId: string, after: Place, before: Date): Promise<EndedRun[]> =>
      db
        .select({
          id: runs.id,
          at: sql<Date>`${runs.completedAt}`.mapWith(runs.completedAt),
          activationId: runs.activationId,
          hasEvents: flag(
            sql`exists (select 1 from ${runEvents} where ${runEvents.runId} = ${runs.id} and ${runEvents.seq} < ${runs.eventSeq})`,
          ),
          hasRejections: flag(
            sql`exists (select 1 from ${rejections} where ${rejections.runId} = ${runs.id})`,
          ),
          isOutdated: flag(
            sql`${laterRun(sql`true`)} and (${runs.status} <> 'SUCCESS' or ${laterRun(sql`later.status = 'SUCCESS'`)})`,
          ),
        })
        .from(runs)
        .where(
          and(
            eq(runs.sandboxId, sandboxId),
            lt(runs.completedAt, before),
            beginsAfter(
              sql`${runs.completedAt}`,
              sql`${runs.id}`,
              sql`${sql.param(after.at, runs.completedAt)}`,
              after.id,
            ),
          ),
        )
        .orderBy(asc(runs.completedAt), asc(runs.id))
        .limit(PAGE),

    /** Runs that runs under way go on from. */
    async repeated(): Promise<Set<string>> {
      const rows = await db
        .select({ id: runs.retryOf })
        .from(runs)
        .where(and(inArray(runs.status, ACTIVE_STATUSES), isNotNull(runs.retryOf)))
      return new Set(rows.flatMap(({ id }) => id ?? []))
    },

    deleteEvents(
      runIds: readonly string[],
      limit: number,
      which: 'replaceable' | 'all' = 'replaceable',
    ): Query {
      const slice = db
        .select({ runId: runEvents.runId, seq: runEvents.seq })
        .from(runEvents)
        .where(
          and(inArray(runEvents.runId, [...runIds]), which === 'replaceable' ? isReplaceable : undefined),
        )
        .limit(limit)
      return db.delete(runEvents).where(sql`(${runEvents.runId}, ${runEvents.seq}) in ${slice}`)
    },

    deleteRejections(runIds: readonly string[], limit: number): Query {
      const slice = db
        .select({ runId: rejections.runId, profileId: rejections.profileId })
        .from(rejections)
        .where(inArray(rejections.runId, [...runIds]))
        .limit(limit)
      return db.delete(rejections).where(sql`(${rejections.runId}, ${rejections.profileId}) in ${slice}`)
    },

    /** The writes that end what is left of runs, and of activations that have no other run. */
    deleteRuns(ended: readonly EndedRun[]): Query[] {
      const ids = ended.map(({ id }) => id)
      const activationIds = [...new Set(ended.flatMap(({ activationId }) => activationId ?? []))]
      const others = db.select({ one: sql`1` }).from(runs).where(eq(runs.activationId, activations.id))
      return [
        db.delete(runEvents).where(inArray(runEvents.runId, ids)),
        db.delete(runFiles).where(inArray(runFiles.runId, ids)),
        db.delete(runs).where(inArray(runs.id, ids)),
        db.delete(activations).where(and(inArray(activations.id, activationIds), notExists(others))),
      ]
    },

    /** Activations of a sandbox after a place and before a moment, oldest first: `PAGE` of them at most. */
    oldActivations: (
      sandboxId: string,
      after: Place,
      before: Date,
    ): Promise<(Place & { hasKey: boolean })[]> =>
      db
        .select({
          id: activations.id,
          at: activations.createdAt,
          hasKey: flag(sql`${activations.idempotencyKey} is not null`),
        })
        .from(activations)
        .where(
          and(
            eq(activations.sandboxId, sandboxId),
            lt(activations.createdAt, before),
            beginsAfter(
              sql`${activations.createdAt}`,
              sql`${activations.id}`,
              sql`${sql.param(after.at, activations.createdAt)}`,
              after.id,
            ),
          ),
        )
        .orderBy(asc(activations.createdAt), asc(activations.id))
        .limit(PAGE),

    releaseKeys: (ids: readonly string[]): Query =>
      db
        .update(activations)
        .set({ idempotencyKey: null })
        .where(inArray(activations.id, [...ids])),

    /** What any run has sent; looks through all of them, off the event loop. */
    async sentSnapshots(): Promise<Set<unknown>> {
      return new Set((await database.aside(db.selectDistinct({ id: runs.snapshotId }).from(runs))).flat())
    },

    /** Snapshots by id, after one of them: `PAGE` at most. `isNeeded` is not about runs. */
    async snapshotsAfter(id: string): Promise<{ id: string; evaluatedAt: Date; isNeeded: boolean }[]> {
      const secondLatest = sql`(select recent.evaluated_at from ${snapshots} as recent where recent.segment_id = ${snapshots.segmentId} order by recent.evaluated_at desc limit 1 offset ${KEPT_SNAPSHOTS - 1})`
      const hasMembers = sql`exists (select 1 from ${members} where ${members.version} = ${snapshots.version})`
      const isBase = sql`exists (select 1 from ${segmentMappings} where ${segmentMappings.segmentId} = ${snapshots.segmentId} and ${segmentMappings.sentSnapshotId} = ${snapshots.id})`
      return db
        .select({
          id: snapshots.id,
          evaluatedAt: snapshots.evaluatedAt,
          isNeeded: flag(
            sql`${snapshots.evaluatedAt} >= coalesce(${secondLatest}, ${snapshots.evaluatedAt}) or ${hasMembers} or ${isBase}`,
          ),
        })
        .from(snapshots)
        .where(and(gt(snapshots.id, id), gt(snapshots.evaluatedAt, UNFINISHED)))
        .orderBy(asc(snapshots.id))
        .limit(PAGE)
    },

    deleteSnapshots: (ids: readonly string[]): Query =>
      db.delete(snapshots).where(inArray(snapshots.id, [...ids])),
  }
}
