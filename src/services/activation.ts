import { createHash } from 'node:crypto'
import { authorize, type Session } from '../domain/access.ts'
import {
  type ActivateInput,
  type ActivationError,
  type ActivationRequest,
  canonicalRequest,
  readRequest,
} from '../domain/activation.ts'
import { isBeyondReason, requestViolations } from '../domain/activation-input.ts'
import { violations } from '../domain/guardrails.ts'
import { checkName, normalizeName } from '../domain/text.ts'
import { activationStore } from '../storage/activation.ts'
import { note } from '../storage/deed.ts'
import { runStore } from '../storage/run.ts'
import { announceRun } from '../storage/run-event.ts'
import type { Row } from '../storage/tables.ts'
import { type LoadedFacts, loadFacts } from './activation-facts.ts'
import { type ActivationContext, plannedRuns } from './activation-runs.ts'
import { attributeTypes } from './profile-attributes.ts'
import { againWhenStale } from './stale.ts'

export type { ActivateInput, ActivationError } from '../domain/activation.ts'
export type { ActivationContext } from './activation-runs.ts'

export interface Activated {
  activation: Row<'activations'>
  /** One per dataflow and segment, in the order in which they were asked for. */
  runs: Row<'runs'>[]
}
export interface ActivationForecast {
  segmentId: string
  dataflowId: string
  profileCount: number
  /** Null when the segment was never evaluated. */
  evaluatedAt: Date | null
}
const KEY_PATH = ['input', 'idempotencyKey']
const DAY_MS = 24 * 60 * 60 * 1000

export type ActivationService = ReturnType<typeof activationService>

/** @param keyKeptDays for how long an idempotency key gives the first answer again */
export function activationService(ctx: ActivationContext, keyKeptDays = 1) {
  const { database, clock } = ctx
  const store = activationStore(database)
  const typesFor = attributeTypes(ctx)

  /** The first answer to this key, the conflict with it, or what stands in the way of a new answer: nothing, or an expired key. */
  const lookUp = async (session: Session, ask: Ask): Promise<Earlier> => {
    if (ask.key === null) return { expired: null }
    const { id: sandboxId } = session.sandbox
    const row = await store.byIdempotencyKey({ sandboxId, tokenId: session.tokenId, key: ask.key })
    if (!row) return { expired: null }
    if (clock().getTime() - row.createdAt.getTime() >= keyKeptDays * DAY_MS) return { expired: row.id }
    return row.inputHash === ask.hash ? { activation: row } : { errors: [keyConflict()] }
  }
  const answer = async (activation: Row<'activations'>): Promise<Activated> => ({
    activation,
    runs: await store.runsOf(activation.sandboxId, [activation.id]),
  })
  const write = async (
    session: Session,
    options: { facts: LoadedFacts; ask: Ask; expired: string | null },
  ): Promise<Activated> => {
    const { facts, ask, expired } = options
    const activation: Row<'activations'> = {
      id: ctx.newId('activation'),
      sandboxId: session.sandbox.id,
      requestedBy: session.name,
      tokenId: session.tokenId,
      idempotencyKey: ask.key,
      inputHash: ask.hash,
      createdAt: facts.now,
    }
    const { insertQueued } = runStore(database)
    const types = await typesFor(session.sandbox.id, facts)
    const runs = plannedRuns(ctx, { facts, activation, sandboxName: session.sandbox.name, types })
    note('activation', activation.id, {
      after: { orders: runs.map(({ id, dataflowId, segmentId }) => ({ runId: id, dataflowId, segmentId })) },
    })
    await database.batch([
      ...store.keepTargets(runs),
      store.keepUnscheduled(runs),
      ...(expired ? [store.releaseKey(expired)] : []),
      store.insert(activation),
      ...runs.flatMap((run) => insertQueued(run)),
    ])
    for (const run of runs) announceRun(database, run.id)
    database.wake.notify('runs')
    return answer(activation)
  }

  return {
    /**
     * Queues one run per dataflow and segment, or says every reason why not; never a part of them.
     * @throws AccessError without the right to run
     */
    async activate(
      session: Session,
      input: ActivateInput,
    ): Promise<Activated | { errors: ActivationError[] }> {
      authorize(session, 'runs:activate')
      const { request, keyErrors, ask } = read(input)
      if (isBeyondReason(request, ctx.guardrails)) {
        return { errors: [...keyErrors, ...requestViolations(request, ctx.guardrails)] }
      }
      // A call that was faster, for a segment or for the key, shows in the facts when they are read again.
      return againWhenStale(database, async () => {
        const earlier = await lookUp(session, ask)
        if ('errors' in earlier) return earlier
        if ('activation' in earlier) return answer(earlier.activation)
        const facts = await loadFacts(ctx, session, request)
        const errors = [...keyErrors, ...violations(facts)]
        if (errors.length > 0) {
          // What stands in the way may be the runs of this very key, asked for elsewhere since the look above.
          const same = await lookUp(session, ask)
          return 'activation' in same ? answer(same.activation) : { errors }
        }
        return write(session, { facts, ask, expired: earlier.expired })
      })
    },

    /**
     * A dry run of `activate`: every violation, and how many profiles each file would hold. Stores nothing.
     * @throws AccessError without the right to run
     */
    async check(
      session: Session,
      input: ActivateInput,
    ): Promise<{ errors: ActivationError[]; forecasts: ActivationForecast[] }> {
      authorize(session, 'runs:activate')
      const { request, keyErrors, ask } = read(input)
      if (isBeyondReason(request, ctx.guardrails)) {
        return { errors: [...keyErrors, ...requestViolations(request, ctx.guardrails)], forecasts: [] }
      }
      const [earlier, facts] = await Promise.all([lookUp(session, ask), loadFacts(ctx, session, request)])
      const forecasts = forecast(facts)
      // The same input under its key is answered as the first time, whatever the guardrails say by now.
      if ('activation' in earlier) return { errors: [], forecasts }
      const conflicts = 'errors' in earlier ? earlier.errors : []
      return { errors: [...keyErrors, ...conflicts, ...violations(facts)], forecasts }
    },

    /** @throws AccessError without the right to read */
    async byIds(session: Session, ids: string[]): Promise<Row<'activations'>[]> {
      authorize(session, 'metadata:read')
      return store.byIds(session.sandbox.id, ids)
    },
  }
}

/** A readable input: its idempotency key, if it has a usable one, and what the key is bound to. */
interface Ask {
  key: string | null
  hash: string
}
type Earlier = { activation: Row<'activations'> } | { errors: ActivationError[] } | { expired: string | null }

function read(input: ActivateInput): { request: ActivationRequest; keyErrors: ActivationError[]; ask: Ask } {
  const request = readRequest(input)
  const { idempotencyKey: key } = input
  const errors = key == null ? [] : checkName(key, KEY_PATH, 'The idempotency key')
  const hash = createHash('sha256').update(canonicalRequest(request)).digest('hex')
  return {
    request,
    keyErrors: errors.map(({ message, path }) => ({ code: 'INVALID_INPUT', message, path })),
    ask: { key: key == null || errors.length > 0 ? null : normalizeName(key), hash },
  }
}

const keyConflict = (): ActivationError => ({
  code: 'IDEMPOTENCY_CONFLICT',
  message: 'This idempotency key was used for another input not long ago. Send this one with a new key.',
  path: KEY_PATH,
})

function forecast({ request, dataflows, segments }: LoadedFacts): ActivationForecast[] {
  return request.orders.flatMap(({ dataflowId, segmentId }) => {
    const segment = segments.get(segmentId)
    if (!segment || !dataflows.has(dataflowId)) return []
    const { profileCount = 0, evaluatedAt = null } = segment.snapshot ?? {}
    return [{ segmentId, dataflowId, profileCount, evaluatedAt }]
  })
}
