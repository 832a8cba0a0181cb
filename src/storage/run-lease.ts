// How a worker holds a run and moves it on. Every write carries the fencing token of the claim: a worker that was
// thought dead and comes back finds its writes refused (StaleWrite), and lets go.
import { and, asc, eq, inArray, not, notInArray, or, sql } from 'drizzle-orm'
import type {
  FinishedPart,
  RunCheckpoint,
  RunCounters,
  RunEventType,
  RunFailure,
  RunPhase,
} from '../domain/model.ts'
import type { Database, ExpectingQuery, Query } from './database.ts'
import { isLeft, leaseUntil } from './lease.ts'
import { announceRun, appendEvent, isActive } from './run-event.ts'
import { runRejections } from './run-rejections.ts'
import { sentWith } from './run-sent.ts'
import type { NewRow, Row } from './tables.ts'

/** A claimed run: what identifies the claim in every later write. */
export interface Claim {
  runId: string
  fence: number
}
export type Change = Partial<NewRow<'runs'>>
export type RunStatuses = Row<'runs'>['status'][]
export type RunLease = ReturnType<typeof runLease>

export function runLease(database: Database, processId: string) {
  const { db, tables } = database
  const { runs, runFiles } = tables

  /** A write of the claim's holder; undone when the claim is lost or the run is being cancelled. */
  const held = ({ runId, fence }: Claim, change: Change, status: RunStatuses = ['PROCESSING']) => ({
    query: db
      .update(runs)
      .set(change)
      .where(and(eq(runs.id, runId), eq(runs.fence, fence), inArray(runs.status, status))),
    expect: 1,
  })
  /** The same with an event that records the new state. */
  const logged = (
    claim: Claim,
    change: Change,
    event: { type: RunEventType; message?: string; at: Date },
    status?: RunStatuses,
  ): (Query | ExpectingQuery)[] => [
    held(claim, { ...change, eventSeq: sql`${runs.eventSeq} + 1` as unknown as number }, status), // drizzle's set() takes SQL
    ...appendEvent(database, { runId: claim.runId, message: null, ...event }),
  ]

  /** A scheduled run does not begin beside an ad-hoc run of the same segment. */
  const waitsForAdHoc = sql`(${runs.status} = 'QUEUED' and ${runs.trigger} = 'SCHEDULED' and exists (
    select 1 from ${runs} as other where other.segment_id = ${runs.segmentId} and other.trigger = 'AD_HOC'
      and other.status in ('QUEUED', 'PROCESSING', 'CANCELLING')))`

  const found = async ({ runId, fence }: Claim): Promise<Row<'runs'> | null> => {
    const [run] = await db
      .select()
      .from(runs)
      .where(and(eq(runs.id, runId), eq(runs.fence, fence)))
    return run ?? null
  }

  return {
    ...runRejections(database, held),

    /**
     * Takes the oldest run that nobody holds: queued, or left by a holder that is dead or silent for too long. Those of
     * destinations to pass over only if they are to be cancelled, and scheduled ones not beside ad-hoc ones of the segment.
     */
    async claim(at: Date, passOver: readonly string[] = []): Promise<Row<'runs'> | null> {
      const held = sql`${isActive(tables)} and ${runs.status} <> 'QUEUED'`
      const free = or(eq(runs.status, 'QUEUED'), await isLeft(database, { table: runs, held, at }))
      const isWanted =
        passOver.length > 0
          ? or(notInArray(runs.destinationId, [...passOver]), eq(runs.status, 'CANCELLING'))
          : undefined
      const taking = (run: Row<'runs'>) => {
        const isCancelling = run.status === 'CANCELLING'
        const change: Change = {
          status: isCancelling ? 'CANCELLING' : 'PROCESSING',
          phase: run.phase === 'FINALIZING' ? 'FINALIZING' : 'READING',
          fence: run.fence + 1,
          attempt: run.attempt + 1,
          startedAt: run.startedAt ?? at,
          leaseOwner: processId,
          leaseUntil: leaseUntil(at),
        }
        const isFirst = run.startedAt === null
        const type = isCancelling ? 'CANCELLING' : isFirst ? 'STARTED' : 'RETRYING'
        const message = isFirst ? {} : { message: `attempt ${run.attempt + 1}` }
        const claim = { runId: run.id, fence: run.fence }
        return logged(claim, change, { type, at, ...message }, [run.status])
      }
      const run = await database.claim(
        (own) =>
          own
            .select()
            .from(runs)
            .where(and(isActive(tables), free, isWanted, not(waitsForAdHoc)))
            .orderBy(asc(runs.createdAt), asc(runs.id))
            .limit(1),
        taking,
      )
      if (!run) return null
      announceRun(database, run.id)
      return found({ runId: run.id, fence: run.fence + 1 })
    },

    /** What was last written down of the claim's run; null when it is lost. */
    found,

    /** How the claim stands. Lost: another worker has the run, or it has ended. */
    async standing(claim: Claim): Promise<'held' | 'cancelling' | 'lost'> {
      const [run] = await db
        .select({ fence: runs.fence, status: runs.status })
        .from(runs)
        .where(eq(runs.id, claim.runId))
      if (run?.fence !== claim.fence) return 'lost'
      if (run.status === 'CANCELLING') return 'cancelling'
      return run.status === 'PROCESSING' ? 'held' : 'lost'
    },

    /** Keeps the claim for another lease. @throws StaleWrite when it is lost */
    renew: (claim: Claim, at: Date) =>
      database.batch([held(claim, { leaseUntil: leaseUntil(at) }, ['PROCESSING', 'CANCELLING'])]),

    /** Counters and, when a part was finished, the checkpoint; one event. */
    async progress(
      claim: Claim,
      state: { counters: RunCounters; phase: RunPhase; checkpoint?: RunCheckpoint; at: Date },
    ): Promise<void> {
      const { counters, phase, checkpoint, at } = state
      const change: Change = { ...counters, phase, leaseUntil: leaseUntil(at) }
      if (checkpoint) change.checkpoint = checkpoint
      await database.batch(logged(claim, change, { type: 'PROGRESS', at }))
      announceRun(database, claim.runId)
    },

    /**
     * The point of no return: every part is whole under its temporary name, and from here on the files appear. Of
     * profiles: all are sent, and what the destination says of them is waited for.
     */
    async finalizing(claim: Claim, checkpoint: RunCheckpoint, at: Date): Promise<void> {
      const change: Change = {
        ...checkpoint.counters,
        // Profiles may have been erased since the snapshot.
        total: checkpoint.counters.received,
        checkpoint,
        phase: 'FINALIZING',
        files: 0,
        leaseUntil: leaseUntil(at),
      }
      await database.batch(logged(claim, change, { type: 'PROGRESS', at }))
      announceRun(database, claim.runId)
    },

    /** A part has its final name. */
    async fileDelivered(claim: Claim, part: FinishedPart, location: string, at: Date): Promise<void> {
      const { part: number, name, rows, bytes, sha256 } = part
      await database.batch([
        ...logged(
          claim,
          { files: number, leaseUntil: leaseUntil(at) },
          { type: 'FILE_DELIVERED', message: location, at },
        ),
        db.insert(runFiles).values({ runId: claim.runId, part: number, name, location, rows, bytes, sha256 }),
      ])
      announceRun(database, claim.runId)
    },

    /**
     * Ends the run. SUCCESS and FAILED only from PROCESSING, CANCELLED only from CANCELLING. With the counters of its
     * checkpoint it keeps that, for a retry that goes on from there. From a success on, increments begin where it ends.
     */
    async end(claim: Claim, outcome: Outcome, at: Date): Promise<void> {
      const change: Change = {
        status: outcome.status,
        phase: 'DONE',
        error: outcome.status === 'FAILED' ? outcome.error : null,
        ...(outcome.counters ?? { checkpoint: null }),
        completedAt: at,
        leaseOwner: null,
        leaseUntil: null,
      }
      const type = outcome.status === 'SUCCESS' ? 'SUCCEEDED' : outcome.status
      const message = outcome.status === 'FAILED' ? { message: outcome.error.message } : {}
      const from: Row<'runs'>['status'] = outcome.status === 'CANCELLED' ? 'CANCELLING' : 'PROCESSING'
      const run = outcome.status === 'SUCCESS' ? await found(claim) : null
      const sent = run ? await sentWith(database, run) : []
      await database.batch([...logged(claim, change, { type, at, ...message }, [from]), ...sent])
      announceRun(database, claim.runId)
      database.wake.notify('runs')
    },

    /**
     * Lets go of the run, to be claimed again from `notBefore` on. It resumes from its checkpoint, or from the
     * beginning when `restart` is set. `attempt`: how many attempts count as made.
     */
    async handBack(
      claim: Claim,
      options: { message: string; notBefore: Date; attempt: number; restart?: boolean; at: Date },
    ): Promise<void> {
      const { message, notBefore, attempt, at } = options
      const change: Change = { leaseOwner: null, leaseUntil: notBefore, attempt }
      if (options.restart) Object.assign(change, { checkpoint: null, phase: 'READING' })
      await database.batch(logged(claim, change, { type: 'RETRYING', message, at }))
      announceRun(database, claim.runId)
      database.wake.notify('runs')
    },
  }
}

export type Outcome = { counters?: RunCounters } & (
  | { status: 'SUCCESS' }
  | { status: 'CANCELLED' }
  | { status: 'FAILED'; error: RunFailure }
)
