import { isDeepStrictEqual } from 'node:util'
import { authorize, type Session } from '../domain/access.ts'
import { type ActivationError, pairKey, readRequest } from '../domain/activation.ts'
import { notFound, Refusal, type UserError } from '../domain/errors.ts'
import { retryViolations } from '../domain/guardrails.ts'
import type { RunPlan, RunStatus } from '../domain/model.ts'
import { planRetry } from '../domain/run-plan.ts'
import { activationStore } from '../storage/activation.ts'
import { activationFactsStore } from '../storage/activation-facts.ts'
import { note } from '../storage/deed.ts'
import { runStore } from '../storage/run.ts'
import { runCancel } from '../storage/run-cancel.ts'
import { announceRun, TERMINAL_STATUSES } from '../storage/run-event.ts'
import { keepSent } from '../storage/run-sent.ts'
import type { RunTotal } from '../storage/run-totals.ts'
import type { NewRow, Row } from '../storage/tables.ts'
import { type LoadedFacts, loadFacts } from './activation-facts.ts'
import { type ActivationContext, namingOf } from './activation-runs.ts'
import { againWhenStale } from './stale.ts'

/** `counts`: of each status that any run has. */
export interface RunStatistics {
  counts: ReadonlyMap<RunStatus, number>
  totals: readonly RunTotal[]
  oldestQueuedMs: number
}
export type RunService = ReturnType<typeof runService>

export function runService(ctx: ActivationContext) {
  const { database, clock } = ctx
  const store = runStore(database)

  const find = async (session: Session, id: string): Promise<Row<'runs'>> => {
    const run = await store.whole(session.sandbox.id, id)
    const { destinationIds } = session
    if (!run || (destinationIds && !destinationIds.includes(run.destinationId))) {
      throw new Refusal(notFound('run', id, ['id']))
    }
    return run
  }

  /** Queues a run of what `select` takes of an ended one: of everything, or of a part. */
  const repeatRun = async (
    session: Session,
    id: string,
    select: (earlier: Row<'runs'>) => Promise<Selection>,
  ): Promise<Row<'runs'>> => {
    authorize(session, 'runs:control')
    // Whoever was faster, with another run of the segment or a change of its dataflow, shows in the facts when they are read again.
    return againWhenStale(database, async () => {
      const earlier = await find(session, id)
      refuseRetrying(earlier)
      const selection = await select(earlier)
      const { dataflowId, segmentId } = earlier
      const request = readRequest({ activations: [{ dataflowId, segmentIds: [segmentId] }] })
      const facts = await loadFacts(ctx, session, request)
      const errors = retryViolations(facts).map((error) => asUserError(error, earlier))
      if (errors.length > 0) throw new Refusal(errors)
      const mapping = facts.mappings.get(pairKey(dataflowId, segmentId))
      if (!mapping) throw new Error(`the guardrails let ${earlier.id} pass without its mapping`)
      requireNewest(earlier, mapping)
      await requireSnapshot(ctx, earlier)
      const run = repeat(ctx, { earlier, selection, facts, mapping, session })
      const { keepTargets, keepUnscheduled } = activationStore(database)
      note('run', run.id, { after: run })
      await database.batch([
        ...keepTargets([run]),
        keepUnscheduled([run]),
        keepSent(database, mapping),
        ...store.insertQueued(run),
      ])
      announceRun(database, run.id)
      database.wake.notify('runs')
      return find(session, run.id)
    })
  }

  return {
    /** How the runs of the sandbox stand, and what they have come to so far. */
    async statistics(session: Session): Promise<RunStatistics> {
      authorize(session, 'metadata:read')
      const { id } = session.sandbox
      const [rows, totals, oldest] = await Promise.all([
        database.aside(store.countByStatus(id)),
        store.totals(id),
        store.oldestQueued(id),
      ])
      return {
        counts: new Map(rows.map(([status, count]) => [status as RunStatus, Number(count)])),
        totals,
        oldestQueuedMs: oldest ? Math.max(0, clock().getTime() - oldest.getTime()) : 0,
      }
    },

    /**
     * Ends a queued run at once and asks the worker of a processing one to stop, which it does before a file appears.
     * @throws Refusal NOT_FOUND, or CONFLICT when the run has ended or its files are appearing
     */
    async cancel(session: Session, id: string): Promise<Row<'runs'>> {
      authorize(session, 'runs:control')
      // A worker that moved the run on in between shows when it is read again.
      return againWhenStale(database, async () => {
        const run = await find(session, id)
        if (run.status === 'CANCELLING') return run
        refuseCancelling(run)
        const cancel = runCancel(database)
        const status = run.status === 'QUEUED' ? 'CANCELLED' : 'CANCELLING'
        note('run', id, { before: run, after: { status } })
        await database.batch((run.status === 'QUEUED' ? cancel.queued : cancel.processing)(id, clock()))
        announceRun(database, id)
        database.wake.notify('runs')
        return find(session, id)
      })
    },

    /**
     * Queues a new run of an ended one: the same segment, snapshot and fields, to the destination as it is set now. One
     * that sends profiles goes on where an unsuccessful one stood, unless the destination is another now. An increment stays
     * one, and the next is compared with it.
     * @throws Refusal NOT_FOUND, or CONFLICT with the id of what stands in the way
     */
    retry: (session: Session, id: string): Promise<Row<'runs'>> =>
      repeatRun(session, id, async ({ total }) => ({ total })),

    /**
     * Queues a new run of those profiles of an ended one that the destination refused.
     * @throws Refusal NOT_FOUND, or CONFLICT with the id of what stands in the way
     */
    retryRejections: (session: Session, id: string): Promise<Row<'runs'>> =>
      repeatRun(session, id, async (earlier) => {
        const total = await store.countRefused(id)
        if (total > 0) return { total, refusedIn: earlier.id }
        throw conflict(id, `The destination refused no profile of run ${id}; there is nothing to send again.`)
      }),
  }
}

/** What of an earlier run is sent again: all of it, or what the destination refused in it. */
interface Selection {
  total: number | null
  refusedIn?: string
}

function refuseCancelling(run: Row<'runs'>): void {
  if (TERMINAL_STATUSES.includes(run.status)) {
    throw conflict(run.id, `Run ${run.id} has ended with ${run.status}; there is nothing left to cancel.`)
  }
  if (run.phase === 'FINALIZING' && run.plan.fileFormat !== null) {
    const message = `Run ${run.id} is ${run.status} and its files are appearing; it can no longer be cancelled. Wait until it has ended.`
    throw conflict(run.id, message)
  }
}

function refuseRetrying(run: Row<'runs'>): void {
  if (TERMINAL_STATUSES.includes(run.status)) return
  const message = `Run ${run.id} is ${run.status}. Wait until it has ended, or cancel it, then retry it.`
  throw conflict(run.id, message)
}

/** An increment says what is different from what the destination has: sent after a later one, it would undo that. */
function requireNewest({ id, plan }: Row<'runs'>, mapping: Row<'segmentMappings'>): void {
  const { sentSnapshotId } = mapping
  const isNewest = sentSnapshotId === plan.since?.id || sentSnapshotId === plan.snapshot.id
  if (plan.since === undefined || isNewest) return
  const message = `Run ${id} is an increment, and the destination has received a later one since, or the increments begin anew: sent again, it would undo what came after it. Activate the segment to send it as a whole.`
  throw conflict(mapping.id, message)
}

async function requireSnapshot({ database }: ActivationContext, run: Row<'runs'>) {
  if (await activationFactsStore(database).areSnapshotsKept(run)) return
  const { plan, segmentId } = run
  const message = `The members that this run sent are not kept any more, because segment ${JSON.stringify(plan.segment.name)} was evaluated since. Activate the segment anew.`
  throw conflict(segmentId, message)
}

function repeat(
  ctx: ActivationContext,
  options: {
    earlier: Row<'runs'>
    selection: Selection
    facts: LoadedFacts
    mapping: Row<'segmentMappings'>
    session: Session
  },
) {
  const { earlier, selection, facts, mapping, session } = options
  const { total, ...part } = selection
  const dataflow = facts.dataflows.get(earlier.dataflowId)
  if (!dataflow) throw new Error(`the guardrails let ${earlier.id} pass without its dataflow`)
  const runId = ctx.newId('run')
  const naming = namingOf(ctx, { mapping, sandboxName: session.sandbox.name, now: facts.now })
  const plan = planRetry({ earlier, runId, dataflow, naming, ...part })
  return {
    ...(selection.refusedIn === undefined && standingOf(earlier, plan, facts.now)),
    id: runId,
    sandboxId: earlier.sandboxId,
    dataflowId: earlier.dataflowId,
    destinationId: dataflow.destinationId,
    segmentId: earlier.segmentId,
    mappingId: mapping.id,
    snapshotId: earlier.snapshotId,
    // Not an order of the earlier activation: that one keeps the runs it answered with.
    activationId: null,
    // Asked for by somebody, whatever the earlier run was, so it counts as the segment's one ad-hoc run.
    trigger: 'AD_HOC' as const,
    mode: earlier.mode,
    plan,
    total,
    retryOf: earlier.id,
    createdAt: facts.now,
  }
}

/** Where the earlier run stood, for one that goes on from there: nobody is sent twice to the same place. */
function standingOf(earlier: Row<'runs'>, plan: RunPlan, now: Date): Partial<NewRow<'runs'>> {
  const { checkpoint, id } = earlier
  const place = ({ destination: { type, settings }, accountId }: RunPlan) => ({ type, settings, accountId })
  if (!checkpoint || !('pending' in checkpoint) || !isDeepStrictEqual(place(plan), place(earlier.plan))) {
    return {}
  }
  // One that has not begun has taken over nothing yet.
  const { continues = id } = checkpoint
  // The destination is given its time anew.
  const pending = checkpoint.pending.map((batch) => ({ ...batch, sentAt: now.getTime() }))
  return { ...checkpoint.counters, checkpoint: { ...checkpoint, pending, continues } }
}

const conflict = (nodeId: string, message: string): Refusal =>
  new Refusal({ code: 'CONFLICT', message, path: ['id'], nodeId })

function asUserError(error: ActivationError, run: Row<'runs'>): UserError {
  const { message } = error
  const path = ['id']
  switch (error.code) {
    case 'RUN_IN_PROGRESS':
    case 'SCHEDULED_RUN_IN_PROGRESS':
      return { code: 'CONFLICT', message, path, nodeId: error.runId }
    case 'NOT_FOUND':
    case 'CONSENT_MISSING':
      return { code: error.code, message, path }
    case 'DATAFLOW_DISABLED':
    case 'SEGMENT_NOT_MAPPED':
      return { code: 'CONFLICT', message, path, nodeId: run.dataflowId }
    default:
      return { code: 'CONFLICT', message, path, nodeId: run.destinationId }
  }
}
