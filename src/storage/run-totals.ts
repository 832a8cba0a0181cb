// What the runs of a sandbox have come to: counted when they end, in the batch of their last event, and kept for good,
// so that neither a restart nor the clean-up takes anything away.
import { type SQL, type SQLWrapper, sql } from 'drizzle-orm'
import type { RunStatus } from '../domain/model.ts'
import type { Database, Query } from './database.ts'

/** The longest durations, in seconds, that are counted together; runs that took longer come after the last. */
export const DURATIONS = [1, 5, 15, 60, 300, 900, 3_600, 14_400, 43_200] as const

export interface RunTotal {
  status: RunStatus
  /** Index into DURATIONS; its length for those that took longer. */
  bucket: number
  runs: number
  rows: number
  bytes: number
  milliseconds: number
}

/** Counts the runs that fit, which must have just ended. Those that never started took no time. */
export function countEnded({ db, tables, json }: Database, which: SQL | undefined): Query {
  const { runs, runTotals } = tables
  const took = sql`coalesce(${json.milliseconds(runs.startedAt, runs.completedAt)}, 0)`
  // Nested: what is grouped by is a column then, and no expression that would have to be recognised.
  const ended = db
    .select({
      sandboxId: runs.sandboxId,
      status: runs.status,
      exported: runs.exported,
      bytes: runs.bytes,
      took: sql<number>`${took}`.as('took'),
    })
    .from(runs)
    .where(which)
    .as('ended')
  const bucket = sql.join([
    sql`case `,
    ...DURATIONS.map(
      (seconds, index) => sql`when ${ended.took} <= ${sql.raw(`${seconds * 1_000} then ${index} `)}`,
    ),
    sql.raw(`else ${DURATIONS.length} end`),
  ])
  const inBuckets = db
    .select({
      sandboxId: ended.sandboxId,
      status: ended.status,
      exported: ended.exported,
      bytes: ended.bytes,
      took: ended.took,
      bucket: sql<number>`${bucket}`.as('bucket'),
    })
    .from(ended)
    .as('in_buckets')
  const sum = (value: SQLWrapper | SQL.Aliased) => sql<number>`cast(sum(${value}) as bigint)`
  const added = (column: string) => sql.raw(`run_totals.${column} + excluded.${column}`)
  return db
    .insert(runTotals)
    .select(
      db
        .select({
          sandboxId: inBuckets.sandboxId,
          status: inBuckets.status,
          bucket: inBuckets.bucket,
          runs: sql<number>`count(*)`.as('runs'),
          rows: sum(inBuckets.exported).as('rows'),
          bytes: sum(inBuckets.bytes).as('bytes'),
          milliseconds: sum(inBuckets.took).as('milliseconds'),
        })
        .from(inBuckets)
        .where(sql`true`) // SQLite would take what follows for the condition of a join
        .groupBy(inBuckets.sandboxId, inBuckets.status, sql`${inBuckets.bucket}`),
    )
    .onConflictDoUpdate({
      target: [runTotals.sandboxId, runTotals.status, runTotals.bucket],
      set: {
        runs: added('runs'),
        rows: added('rows'),
        bytes: added('bytes'),
        milliseconds: added('milliseconds'),
      },
    })
}
