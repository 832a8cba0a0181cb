// How a worker holds a segmentation job. Every write carries the fencing token of the claim: a worker that was thought
// dead and comes back finds its writes refused (StaleWrite), and lets go.
import { and, asc, eq, or, sql } from 'drizzle-orm'
import type { RunFailure, SegmentFailure } from '../domain/model.ts'
import { chunks } from './chunks.ts'
import type { Database, ExpectingQuery, Query } from './database.ts'
import { isLeft, leaseUntil } from './lease.ts'
import { UNFINISHED } from './snapshot.ts'
import type { NewRow, Row } from './tables.ts'

/** A claimed job: what identifies the claim in every later write. */
export interface JobClaim {
  jobId: string
  fence: number
}
/** A snapshot whose version is reserved; its members are about to be written. */
export type ReservedSnapshot = Pick<Row<'snapshots'>, 'id' | 'segmentId' | 'version'>
export interface FinishedSnapshot extends ReservedSnapshot {
  profileCount: number
  entered: number
  exited: number
}
/** What a job came to: of each of its segments a snapshot or a failure. */
export interface JobOutcome {
  finished: FinishedSnapshot[]
  failures: SegmentFailure[]
  /** What the failures come to; null when there is none. */
  error: RunFailure | null
}
export type SegmentationLease = ReturnType<typeof segmentationLease>

const ROWS_AT_ONCE = 500
const MAX_RACES = 10

export function segmentationLease(database: Database, processId: string) {
  const { db, tables } = database
  const { segmentationJobs: jobs, segments, snapshots, members } = tables
  type Change = Partial<NewRow<'segmentationJobs'>>

  const change = (id: string, fence: number, status: Row<'segmentationJobs'>['status'], set: Change) => ({
    query: db
      .update(jobs)
      .set(set)
      .where(and(eq(jobs.id, id), eq(jobs.fence, fence), eq(jobs.status, status))),
    expect: 1,
  })
  /** A write of the claim's holder, which renews the lease; undone when the claim is lost. */
  const held = ({ jobId, fence }: JobClaim, at: Date, set: Change = {}): ExpectingQuery =>
    change(jobId, fence, 'PROCESSING', { leaseUntil: leaseUntil(at), ...set })
  const released = { leaseOwner: null, leaseUntil: null }

  const newestVersion = async (): Promise<number> => {
    const [reserved] = await db
      .select({ version: sql<number | null>`max(${snapshots.version})` })
      .from(snapshots)
    const [written] = await db.select({ version: sql<number | null>`max(${members.version})` }).from(members)
    return Math.max(Number(reserved?.version ?? 0), Number(written?.version ?? 0))
  }

  return {
    held,

    /** Takes the oldest job that nobody holds: queued, or left by a holder that is dead or silent for too long. */
    async claim(at: Date): Promise<Row<'segmentationJobs'> | null> {
      const held = eq(jobs.status, 'PROCESSING')
      const free = or(eq(jobs.status, 'QUEUED'), await isLeft(database, { table: jobs, held, at }))
      const claimed = (job: Row<'segmentationJobs'>) => ({
        status: 'PROCESSING' as const,
        fence: job.fence + 1,
        attempt: job.attempt + 1,
        startedAt: job.startedAt ?? at,
        leaseOwner: processId,
        leaseUntil: leaseUntil(at),
        received: 0,
        exported: 0,
      })
      const job = await database.claim(
        (own) => own.select().from(jobs).where(free).orderBy(asc(jobs.createdAt), asc(jobs.id)).limit(1),
        (job) => [change(job.id, job.fence, job.status, claimed(job))],
      )
      return job && { ...job, ...claimed(job) }
    },

    /**
     * Reserves one membership version per segment, in their order. A version is never given out twice.
     * @param total profiles that will be looked at, over all segments
     */
    async reserve(options: {
      claim: JobClaim
      at: Date
      total: number
      snapshots: { id: string; segmentId: string; sandboxId: string }[]
    }): Promise<ReservedSnapshot[]> {
      const { claim, at, total } = options
      for (let race = 1; ; race += 1) {
        const newest = await newestVersion()
        const rows = options.snapshots.map((row, index) => ({
          ...row,
          jobId: claim.jobId,
          version: newest + 1 + index,
          evaluatedAt: UNFINISHED,
          profileCount: 0,
          entered: 0,
          exited: 0,
        }))
        try {
          await database.batch([
            held(claim, at, { total }),
            ...chunks(rows, ROWS_AT_ONCE).map((some) => db.insert(snapshots).values(some)),
          ])
          return rows
        } catch (error) {
          // The job of another sandbox reserved at the same moment.
          if (database.violatedTable(error) !== 'snapshots' || race === MAX_RACES) throw error
        }
      }
    },

    /**
     * All at once: the new snapshots become the latest of their segments, and the job is done. It has succeeded when no
     * segment failed; those that did keep the snapshot that they had.
     */
    async finish(claim: JobClaim, outcome: JobOutcome, at: Date): Promise<void> {
      const { finished, failures, error } = outcome
      const flips = finished.flatMap(({ id, segmentId, profileCount, entered, exited }): Query[] => [
        db
          .update(snapshots)
          .set({ evaluatedAt: at, profileCount, entered, exited })
          .where(eq(snapshots.id, id)),
        db.update(segments).set({ snapshotId: id }).where(eq(segments.id, segmentId)),
      ])
      const exported = finished.reduce((sum, { profileCount }) => sum + profileCount, 0)
      const status = error === null ? 'SUCCEEDED' : 'FAILED'
      const done: Change = { ...released, status, exported, completedAt: at, error, failures }
      const received = sql`coalesce(${jobs.total}, 0)` as unknown as number // drizzle's set() takes SQL
      await database.batch([held(claim, at, { ...done, received }), ...flips])
    },

    /** Ends the job without a trace in the segments. */
    async fail(claim: JobClaim, error: RunFailure, at: Date): Promise<void> {
      await database.batch([held(claim, at, { ...released, status: 'FAILED', error, completedAt: at })])
    },

    /** Gives the job back to the queue. `attempt`: how many there have been that count. */
    async handBack(claim: JobClaim, attempt: number, at: Date): Promise<void> {
      await database.batch([held(claim, at, { ...released, status: 'QUEUED', attempt })])
    },
  }
}
