import { authorize, type Session } from '../domain/access.ts'
import { invalid, notFound, Refusal, Unavailable, type UserError } from '../domain/errors.ts'
import type { Rule, SegmentStatus } from '../domain/model.ts'
import { segmentsNamedIn } from '../domain/rule.ts'
import { printRule } from '../domain/rule-text.ts'
import { checkTexts, normalizeName } from '../domain/text.ts'
import type { ExpectingQuery } from '../storage/database.ts'
import { note } from '../storage/deed.ts'
import { segmentStore } from '../storage/segment.ts'
import { segmentMappingStore } from '../storage/segment-mapping.ts'
import type { Row } from '../storage/tables.ts'
import type { ServiceContext } from './context.ts'
import { evaluateSegments } from './segment-evaluation.ts'
import { previewSegment, type SegmentPreview } from './segment-preview.ts'
import { type RuleInContext, requireRule } from './segment-rule.ts'
import { againWhenStale, changedAt } from './stale.ts'

/** All of them read in one thread: more would only wait for each other. */
const MAX_PREVIEWS = 16
const PREVIEW_MS = 10_000

export interface CreateSegmentInput {
  name: string
  description?: string | null | undefined
  /** Checked as it comes from outside. */
  rule: unknown
  status?: SegmentStatus | null | undefined
}
/** What is absent or null stays as it is; a null description is cleared. */
export interface UpdateSegmentInput {
  id: string
  name?: string | null | undefined
  description?: string | null | undefined
  rule?: unknown
  status?: SegmentStatus | null | undefined
}
export type SegmentService = ReturnType<typeof segmentService>

/** Rules that select profiles, and their evaluation. */
export function segmentService(ctx: ServiceContext) {
  const { database, clock, newId } = ctx
  const store = segmentStore(database)
  const mappings = segmentMappingStore(database)

  let previews = 0

  const find = async (session: Session, id: string, path: string[]): Promise<Row<'segments'>> => {
    const [row] = await store.byIds(session.sandbox.id, [id])
    if (!row || row.status === 'DELETED') throw new Refusal(notFound('segment', id, path))
    return row
  }

  const announce = async (segmentId: string): Promise<void> => {
    for (const id of await mappings.destinationsOf(segmentId)) database.wake.notify(`mappings:${id}`)
  }

  return {
    /**
     * Makes a segment, ACTIVE unless told otherwise. It has no snapshot until it is evaluated.
     * @throws Refusal with every rule that the input breaks, or NOT_FOUND for a segment that its rule names
     */
    async create(session: Session, input: CreateSegmentInput): Promise<Row<'segments'>> {
      authorize(session, 'segments:write')
      const id = newId('segment')
      return againWhenStale(database, async () => {
        const errors = checkInput(input)
        const { rule, named, reached } = await requireRule(ctx, session, {
          input: input.rule,
          path: ['input', 'rule'],
          errors,
        })
        const now = clock()
        const row = {
          id,
          sandboxId: session.sandbox.id,
          name: normalizeName(input.name),
          description: input.description ?? null,
          status: input.status ?? 'ACTIVE',
          rule,
          expression: printRule(rule, (other) => named.get(other) ?? other),
          createdAt: now,
          updatedAt: now,
        }
        note('segment', id, { after: row })
        await database.batch([...reached.map(store.unchanged), store.insert(row)])
        return find(session, id, ['input'])
      })
    },

    /**
     * Changes a segment. A new rule counts from the next evaluation on.
     * @throws Refusal NOT_FOUND, or with every rule that the input breaks
     */
    async update(session: Session, input: UpdateSegmentInput): Promise<Row<'segments'>> {
      authorize(session, 'segments:write')
      return againWhenStale(database, async () => {
        const row = await find(session, input.id, ['input', 'id'])
        const errors = checkInput(input)
        const checked =
          input.rule == null
            ? null
            : await requireRule(ctx, session, { input: input.rule, path: ['input', 'rule'], errors, of: row })
        if (errors.length > 0) throw new Refusal(errors)
        const changes = { ...changesIn(input, checked), updatedAt: changedAt(row, clock()) }
        const guards = (checked?.reached ?? []).filter(({ id }) => id !== row.id).map(store.unchanged)
        const isRenamed = changes.name !== undefined && changes.name !== row.name
        const others = isRenamed ? await renamedRules(session.sandbox.id, { ...row, ...changes }) : []
        const isSeen = isSeenByPartners(row, changes)
        const followed = isSeen
          ? mappings.followSegment(row, changes.name ?? row.name, changes.updatedAt)
          : []
        note('segment', row.id, { before: row, after: changes })
        await database.batch([...guards, store.update(row, changes), ...others, ...followed])
        if (isSeen) await announce(row.id)
        return find(session, row.id, ['input', 'id'])
      })
    },

    /**
     * Takes a segment and its mappings out of use for good; its history stays.
     * @throws Refusal NOT_FOUND, or IN_USE while a run exports it or another rule names it
     */
    async delete(session: Session, id: string): Promise<Row<'segments'>> {
      authorize(session, 'segments:write')
      const { sandbox } = session
      return againWhenStale(database, async () => {
        const row = await find(session, id, ['id'])
        const naming = (await store.allKept(sandbox.id)).filter(
          (other) => other.id !== id && segmentsNamedIn(other.rule).includes(id),
        )
        const run = await store.activeRun(sandbox.id, id)
        const errors = naming.slice(0, 20).map((other) => isNamed(row, other))
        if (run) errors.push(isRunning(row, run.id))
        if (errors.length > 0) throw new Refusal(errors)
        const at = changedAt(row, clock())
        note('segment', id, { before: row })
        await database.batch([store.delete(row, at), ...mappings.deleteOfSegment(id, at)])
        await announce(id)
        const [deleted] = await store.byIds(sandbox.id, [id])
        return deleted ?? row
      })
    },

    /**
     * Queues an evaluation of the named segments, or of all active ones. A segment whose rule names another of them
     * is evaluated after it; of the others it sees the latest snapshot. While a job that evaluates all of them is not
     * done yet, it is the answer, and nothing is queued.
     * @throws Refusal NOT_FOUND, INVALID_INPUT, LIMIT_EXCEEDED, or CONFLICT with a job that is not done yet and does not
     * evaluate all of them
     */
    async evaluate(session: Session, segmentIds: string[] | null): Promise<Row<'segmentationJobs'>> {
      authorize(session, 'segments:evaluate')
      return evaluateSegments(ctx, session, segmentIds)
    },

    /**
     * How many profiles a rule would select now, with up to `sample` (0 to 20) of them. Nothing is stored.
     * @throws Refusal with every rule that the input breaks, and Unavailable when it takes longer than the signal
     * allows (10 seconds), or many others are under way
     */
    async preview(
      session: Session,
      rule: unknown,
      sample: number,
      signal = AbortSignal.timeout(PREVIEW_MS),
    ): Promise<SegmentPreview> {
      authorize(session, 'profiles:preview')
      if (previews >= MAX_PREVIEWS) throw new Unavailable('Many previews are under way. Try again later.')
      previews += 1
      try {
        return await previewSegment(ctx, session, { rule, sample, signal })
      } finally {
        previews -= 1
      }
    },
  }

  /** The rules of others print the name of the renamed segment. */
  async function renamedRules(sandboxId: string, renamed: Row<'segments'>): Promise<ExpectingQuery[]> {
    const all = await store.allKept(sandboxId)
    const names = new Map(all.map((other) => [other.id, other.name]))
    names.set(renamed.id, renamed.name)
    return all
      .filter((other) => other.id !== renamed.id && segmentsNamedIn(other.rule).includes(renamed.id))
      .map((other) => {
        const expression = printRule(other.rule, (id) => names.get(id) ?? id)
        return store.update(other, { expression, updatedAt: changedAt(other, renamed.updatedAt) })
      })
  }
}

/** What partners are shown of a segment: anything else changes without a word to them. */
function isSeenByPartners(row: Row<'segments'>, changes: Partial<Row<'segments'>>): boolean {
  const fields = ['name', 'description', 'status'] as const
  return fields.some((field) => changes[field] !== undefined && changes[field] !== row[field])
}

function changesIn(input: UpdateSegmentInput, checked: RuleInContext | null) {
  const { name, description, status } = input
  const rule: { rule?: Rule; expression?: string } = checked
    ? { rule: checked.rule, expression: printRule(checked.rule, (id) => checked.named.get(id) ?? id) }
    : {}
  return {
    ...(name != null && { name: normalizeName(name) }),
    ...(description !== undefined && { description }),
    ...(status != null && { status }),
    ...rule,
  }
}

function checkInput(input: Omit<UpdateSegmentInput, 'id'>): UserError[] {
  const errors = checkTexts(input)
  if (input.status === 'DELETED') {
    errors.push(invalid(['input', 'status'], 'A segment is deleted with deleteSegment, not by its status.'))
  }
  return errors
}

const isNamed = (segment: Row<'segments'>, other: Row<'segments'>): UserError => ({
  code: 'IN_USE',
  message: `The rule of the segment ${JSON.stringify(other.name)} names ${JSON.stringify(segment.name)}. Change that rule first.`,
  path: ['id'],
  nodeId: other.id,
})

const isRunning = (segment: Row<'segments'>, runId: string): UserError => ({
  code: 'IN_USE',
  message: `${JSON.stringify(segment.name)} is being exported. Cancel the run, or wait for its end.`,
  path: ['id'],
  nodeId: runId,
})
