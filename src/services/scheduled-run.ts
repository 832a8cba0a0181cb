import type { Session } from '../domain/access.ts'
import { pairKey, readRequest } from '../domain/activation.ts'
import { slotViolations } from '../domain/guardrails.ts'
import type { RunFailure, RunPlan } from '../domain/model.ts'
import { type AttributeTypes, planRun } from '../domain/run-plan.ts'
import { type DueSlot, LATE_AFTER_MS } from '../domain/slots.ts'
import { activationStore } from '../storage/activation.ts'
import { StaleWrite } from '../storage/database.ts'
import { type QueuedRun, runStore } from '../storage/run.ts'
import { announceRun } from '../storage/run-event.ts'
import { keepSent } from '../storage/run-sent.ts'
import { sandboxStore } from '../storage/sandbox.ts'
import { type ScheduledMapping, scheduleStore } from '../storage/schedule.ts'
import { snapshotStore } from '../storage/snapshot.ts'
import { type LoadedFacts, loadFacts } from './activation-facts.ts'
import { type ActivationContext, namingOf } from './activation-runs.ts'
import { attributeTypes } from './profile-attributes.ts'

export type SlotMapping = Pick<
  ScheduledMapping,
  'id' | 'sandboxId' | 'dataflowId' | 'segmentId' | 'slotsUntil'
>
/** MADE: a run, which may have failed at once. WAITS: for the end of the run before. TAKEN: somebody else dealt with the slot. */
export type SlotOutcome = 'MADE' | 'WAITS' | 'TAKEN'
export type MakeScheduledRun = (mapping: SlotMapping, slot: DueSlot) => Promise<SlotOutcome>

/** What the schedule does where a user activates: makes the run of a slot. */
export function scheduledRunService(ctx: ActivationContext) {
  const { database } = ctx
  const schedules = scheduleStore(database)
  const typesFor = attributeTypes(ctx)

  /**
   * Makes the run of a mapping's slot, and deals with every slot before it: in the queue, or failed with the reason why
   * it cannot run. A mapping has one scheduled run at a time: slots that come meanwhile are one when it has ended.
   */
  const make: MakeScheduledRun = async (mapping, slot) => {
    if (await schedules.activeRun(mapping.id)) return 'WAITS'
    const session = await sessionOf(ctx, mapping.sandboxId)
    const request = readRequest({
      activations: [{ dataflowId: mapping.dataflowId, segmentIds: [mapping.segmentId] }],
    })
    const facts = await loadFacts(ctx, session, request)
    const found = partsOf(facts, mapping)
    if (!found) return 'TAKEN'
    const types = await typesFor(mapping.sandboxId, facts)
    const since = await sinceOf(ctx, found)
    const run = plannedRun(ctx, { ...found, since, slot, types, now: facts.now, session })
    const store = runStore(database)
    const failure = failureOf(facts)
    const waitsFor = failure ? undefined : facts.adHocRuns.get(mapping.segmentId)?.id
    try {
      await database.batch([
        ...activationStore(database).keepTargets([run]),
        schedules.moveOn(mapping, slot.dueAt),
        keepSent(database, found.mapping),
        ...store.insertQueued(run, storyOf({ ...slot, isLate: run.isLate, waitsFor })),
        ...(failure ? store.failQueued(run, failure) : []),
      ])
    } catch (error) {
      if (error instanceof StaleWrite || database.violatedTable(error) === 'runs') return 'TAKEN'
      throw error
    }
    announceRun(database, run.id)
    database.wake.notify('runs')
    const { id: runId, dueAt, isLate, missedSlots } = run
    const report = { runId, mappingId: mapping.id, dueAt, isLate, missedSlots, failure: failure?.code }
    ctx.log[failure || isLate ? 'warn' : 'info'](report, 'a scheduled run was made')
    return 'MADE'
  }
  return { make }
}

type Parts = NonNullable<ReturnType<typeof partsOf>>

/** Null when something was unmapped or deleted since the mapping was read. */
function partsOf(facts: LoadedFacts, { dataflowId, segmentId }: SlotMapping) {
  const dataflow = facts.dataflows.get(dataflowId)
  const segment = facts.segments.get(segmentId)
  const mapping = facts.mappings.get(pairKey(dataflowId, segmentId))
  return dataflow && segment && mapping ? { dataflow, segment, mapping } : null
}

async function sessionOf({ database }: ActivationContext, sandboxId: string): Promise<Session> {
  const [sandbox] = await sandboxStore(database).byIds([sandboxId])
  if (!sandbox) throw new Error(`sandbox ${sandboxId} is not there`)
  const nobody = { tokenId: '', destinationIds: null, expiresAt: null }
  return { ...nobody, name: 'schedule', roles: ['ADMIN'], sandbox }
}

/** What an increment is compared with; null for a full run. */
async function sinceOf({ database }: ActivationContext, { mapping }: Parts) {
  const { exportMode, sentSnapshotId, sandboxId } = mapping
  if (exportMode !== 'FIRST_FULL_THEN_INCREMENTAL' || sentSnapshotId === null) return null
  const [snapshot] = await snapshotStore(database).byIds(sandboxId, [sentSnapshotId])
  return snapshot ? { id: snapshot.id, version: snapshot.version } : null
}

function plannedRun(
  ctx: ActivationContext,
  options: Parts & {
    since: RunPlan['since'] | null
    slot: DueSlot
    types: AttributeTypes
    now: Date
    session: Session
  },
) {
  const { dataflow, segment, mapping, since, slot, types, now, session } = options
  const naming = namingOf(ctx, { mapping, sandboxName: session.sandbox.name, now })
  // A run that fails for want of a snapshot has none to pin.
  const snapshot = segment.snapshot ?? { id: '', version: 0, profileCount: 0 }
  const plan = planRun({ dataflow, segment, snapshot, naming, types })
  return {
    id: ctx.newId('run'),
    sandboxId: mapping.sandboxId,
    dataflowId: dataflow.id,
    destinationId: dataflow.destinationId,
    segmentId: segment.id,
    mappingId: mapping.id,
    snapshotId: segment.snapshot?.id ?? null,
    activationId: null,
    trigger: 'SCHEDULED' as const,
    mode: since ? ('INCREMENTAL' as const) : ('FULL' as const),
    plan: since ? { ...plan, since } : plan,
    total: since ? null : snapshot.profileCount,
    dueAt: slot.dueAt,
    isLate: now.getTime() - slot.dueAt.getTime() > LATE_AFTER_MS,
    missedSlots: slot.missed,
    createdAt: now,
  } satisfies QueuedRun
}

/** All reasons in one message, under the code of the first. */
function failureOf(facts: LoadedFacts): RunFailure | null {
  const errors = slotViolations(facts)
  const [first] = errors
  if (!first) return null
  return { code: first.code, message: errors.map(({ message }) => message).join(' '), retryable: false }
}

/** What the run's first event tells; null when there is nothing to tell. */
function storyOf(slot: DueSlot & { isLate: boolean; waitsFor: string | undefined }): string | null {
  const { dueAt, missed, isLate, waitsFor } = slot
  const sentences = [
    ...(isLate ? [`Late: it was due at ${dueAt.toISOString()}.`] : []),
    ...(missed > 0 ? [`Slots before it that were missed: ${missed}.`] : []),
    ...(waitsFor ? [`Waits for the end of the ad-hoc run ${waitsFor} of the segment.`] : []),
  ]
  return sentences.length > 0 ? sentences.join(' ') : null
}
