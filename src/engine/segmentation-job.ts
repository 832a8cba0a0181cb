import { and } from 'drizzle-orm'
import { outageIn } from '../domain/errors.ts'
import type { SegmentFailure } from '../domain/model.ts'
import type { Clock, Logger, NewId } from '../domain/ports.ts'
import { leafPaths, segmentsNamedIn } from '../domain/rule.ts'
import { evaluationOrder } from '../domain/rule-order.ts'
import { chunks } from '../storage/chunks.ts'
import { type Database, StaleWrite } from '../storage/database.ts'
import { membershipStore } from '../storage/membership.ts'
import { isOfSandbox } from '../storage/profile-scope.ts'
import { ruleCondition } from '../storage/rule-sql.ts'
import { segmentStore } from '../storage/segment.ts'
import type {
  FinishedSnapshot,
  JobClaim,
  ReservedSnapshot,
  SegmentationLease,
} from '../storage/segmentation-lease.ts'
import { snapshotStore } from '../storage/snapshot.ts'
import type { Row } from '../storage/tables.ts'
import { dependsOn, failureOf, jobError } from './segment-failure.ts'
import { type Slice, slices } from './slices.ts'

/** Ids a slice begins with, for a rule of one condition. */
const FIRST_SLICE = 5_000
const SEGMENTS_A_QUERY = 1_000

/**
 * Evaluates every segment of a claimed job into a version of its own, then makes them all current at once. A segment
 * that was deleted meanwhile is left out. One that fails keeps the snapshot that it had, and so do those whose rules
 * name it: who is a member of them cannot be told either.
 * @throws StaleWrite when the claim is lost, Unavailable when the database fails, or the signal's reason
 */
export async function evaluateJob(options: {
  database: Database
  lease: SegmentationLease
  job: Row<'segmentationJobs'>
  claim: JobClaim
  clock: Clock
  newId: NewId
  log: Logger
  signal: AbortSignal
}): Promise<{ segments: number; failed: number; profiles: number }> {
  const { database, lease, job, claim, clock, newId, log, signal } = options
  const { sandboxId } = job
  const members = membershipStore(database)
  const segments = await segmentsOf(database, job)
  const scope = await isOfSandbox(database, sandboxId)
  const { min, max, count } = await members.extent(scope)
  const reserved = await lease.reserve({
    claim,
    at: clock(),
    total: count * segments.length,
    snapshots: segments.map(({ id }) => ({ id: newId('snapshot'), segmentId: id, sandboxId })),
  })
  const before = await snapshotStore(database).latest(sandboxId)
  // What a rule sees of another segment: its latest snapshot, or what this job has just written.
  const versions = new Map([...before].map(([id, snapshot]) => [id, snapshot.version]))
  const now = clock()
  const finished: FinishedSnapshot[] = []
  const failed = new Map<string, SegmentFailure>()
  let found = 0

  const evaluate = async (segment: Row<'segments'>, snapshot: ReservedSnapshot) => {
    const { version } = snapshot
    const previous = before.get(segment.id)
    const versionOf = (id: string) => versions.get(id) ?? null
    const condition = and(scope, ruleCondition(segment.rule, { database, now, versionOf })) ?? scope
    const firstSize = Math.max(100, Math.ceil(FIRST_SLICE / leafPaths(segment.rule).length))
    let profileCount = 0
    let staying = 0
    const slice: Slice = async (range) => {
      const share = (range.after - min + 1) / (max - min + 1)
      const received = Math.floor(count * (finished.length + failed.size + share))
      const [, inserted = 0] = await database.batch([
        lease.held(claim, clock(), { received, exported: found + profileCount }),
        members.insert(version, range, condition),
      ])
      profileCount += inserted
      if (previous && inserted > 0) staying += await members.countStaying(version, previous.version, range)
    }
    if (count > 0) {
      const range = { after: min - 1, upTo: max }
      await slices({ range, firstSize, targetMs: database.sliceMs, signal, slice })
    }
    found += profileCount
    versions.set(segment.id, version)
    finished.push({
      ...snapshot,
      profileCount,
      entered: profileCount - staying,
      // By the snapshot's own count: a profile that was deleted since has left the segment, too.
      exited: (previous?.profileCount ?? 0) - staying,
    })
  }

  for (const [index, segment] of segments.entries()) {
    const snapshot = reserved[index]
    if (!snapshot) throw new Error('a segment has no reserved version')
    const missing = segmentsNamedIn(segment.rule).find((id) => failed.has(id))
    if (missing !== undefined) {
      failed.set(
        segment.id,
        dependsOn(
          segment,
          segments.find(({ id }) => id === missing),
        ),
      )
      continue
    }
    try {
      await evaluate(segment, snapshot)
    } catch (error) {
      if (signal.aborted || error instanceof StaleWrite || outageIn(error)) throw error
      log.error({ jobId: job.id, segmentId: segment.id, error }, 'a segment could not be evaluated')
      failed.set(segment.id, failureOf(segment, error))
    }
  }
  const failures = [...failed.values()]
  await lease.finish(claim, { finished, failures, error: jobError(failures, segments) }, clock())
  return { segments: finished.length, failed: failures.length, profiles: count }
}

/** As they are now, which may differ from when the job was queued; so they are put in order again. */
async function segmentsOf(database: Database, job: Row<'segmentationJobs'>): Promise<Row<'segments'>[]> {
  const store = segmentStore(database)
  const rows = await Promise.all(
    chunks(job.segmentIds, SEGMENTS_A_QUERY).map((ids) => store.byIds(job.sandboxId, ids)),
  )
  const byId = new Map(rows.flat().map((row) => [row.id, row]))
  const kept = job.segmentIds.flatMap((id) => byId.get(id) ?? []).filter(({ status }) => status !== 'DELETED')
  return evaluationOrder(kept)
}
