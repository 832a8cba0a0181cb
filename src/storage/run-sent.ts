// What a mapping's next increment is compared with: the snapshot that its last scheduled run has brought to the
// destination. An increment counts only on top of what it was compared with, so that this never goes back.
import { and, eq, isNull, lte, ne } from 'drizzle-orm'
import type { Database, ExpectingQuery, Query } from './database.ts'
import type { Row } from './tables.ts'

/**
 * The writes that go with the success of a run. A repeated increment counts like the first attempt: whoever became a
 * member in it and leaves before the next one must be told to have left. What waits for its end is compared with it.
 */
export async function sentWith(database: Database, run: Row<'runs'>): Promise<Query[]> {
  const { db, tables } = database
  const { runs, segmentMappings: mappings } = tables
  const { plan, snapshotId, mappingId } = run
  const { since } = plan
  const counts = since !== undefined || run.trigger === 'SCHEDULED'
  if (!counts || snapshotId === null || plan.refusedIn !== undefined) return []
  // A whole file begins the increments, unless the segment was mapped anew while the file was under way.
  const isOnTop = since ? eq(mappings.sentSnapshotId, since.id) : lte(mappings.activatedAt, run.createdAt)
  const isIncremental = eq(mappings.exportMode, 'FIRST_FULL_THEN_INCREMENTAL')
  const isWaiting = and(
    eq(runs.mappingId, mappingId),
    eq(runs.trigger, 'SCHEDULED'),
    eq(runs.mode, 'INCREMENTAL'),
    eq(runs.status, 'QUEUED'),
  )
  const waiting = since ? await db.select({ id: runs.id, plan: runs.plan }).from(runs).where(isWaiting) : []
  return [
    db
      .update(mappings)
      .set({ sentSnapshotId: snapshotId })
      .where(and(eq(mappings.id, mappingId), isIncremental, isOnTop)),
    ...waiting
      .filter((next) => next.plan.since?.id === since?.id)
      .map((next) =>
        db
          .update(runs)
          .set({ plan: { ...next.plan, since: plan.snapshot } })
          .where(and(eq(runs.id, next.id), isWaiting)),
      ),
  ]
}

/** Undone when something was sent since the mapping was read. */
export function keepSent({ db, tables }: Database, mapping: Row<'segmentMappings'>): ExpectingQuery {
  const { segmentMappings: mappings } = tables
  const { id, sentSnapshotId } = mapping
  const isAsRead =
    sentSnapshotId === null ? isNull(mappings.sentSnapshotId) : eq(mappings.sentSnapshotId, sentSnapshotId)
  return {
    query: db
      .update(mappings)
      .set({ sentSnapshotId })
      .where(and(eq(mappings.id, id), isAsRead)),
    expect: 1,
  }
}

/** Mappings whose next increment is compared with what was sent. */
export const isComparedWith = ({ segmentMappings: mappings }: Database['tables']) =>
  and(eq(mappings.exportMode, 'FIRST_FULL_THEN_INCREMENTAL'), ne(mappings.elementStatus, 'DELETED'))
