import { and, asc, gt, lte, type SQL, sql } from 'drizzle-orm'
import type { Session } from '../domain/access.ts'
import { invalid, Unavailable, type UserError } from '../domain/errors.ts'
import type { Database } from '../storage/database.ts'
import { isOfSandbox } from '../storage/profile-scope.ts'
import { ruleCondition } from '../storage/rule-sql.ts'
import { snapshotStore } from '../storage/snapshot.ts'
import type { ServiceContext } from './context.ts'
import { requireRule } from './segment-rule.ts'

const MAX_SAMPLE = 20
/** In ids of profiles; twice as many next time after a short one. */
const FIRST_SLICE = 20_000
const SHORT_SLICE_MS = 25

export interface SegmentPreview {
  profileCount: number
  /** Attributes of some of the profiles. */
  sample: unknown[]
}

/**
 * Counts what a rule selects, off the event loop, in slices of profiles: previews of several callers take turns, and
 * one that nobody waits for any more stops after the slice in hand. See SegmentService.preview.
 * @throws Unavailable when the signal aborts
 */
export async function previewSegment(
  ctx: ServiceContext,
  session: Session,
  { rule: input, sample, signal }: { rule: unknown; sample: number; signal: AbortSignal },
): Promise<SegmentPreview> {
  const { database, clock } = ctx
  const { rule } = await requireRule(ctx, session, { input, path: ['rule'], errors: checkSample(sample) })
  const latest = await snapshotStore(database).latest(session.sandbox.id)
  const versionOf = (id: string) => latest.get(id)?.version ?? null
  const selected = and(
    await isOfSandbox(database, session.sandbox.id),
    ruleCondition(rule, { database, now: clock(), versionOf }),
  )
  const preview: SegmentPreview = { profileCount: 0, sample: [] }
  const { profiles } = database.tables
  const [last] = await database.aside(database.db.select({ id: sql`max(${profiles.id})` }).from(profiles))
  const end = Number(last?.[0] ?? 0)
  let size = FIRST_SLICE
  for (let after = 0; after < end; ) {
    if (signal.aborted) throw new Unavailable('The preview took too long. Ask for a simpler rule.')
    const upTo = Math.min(after + size, end)
    const started = performance.now()
    const inSlice = and(gt(profiles.id, after), lte(profiles.id, upTo), selected)
    await addSlice(database, { inSlice, sample, preview })
    if (performance.now() - started < SHORT_SLICE_MS) size *= 2
    after = upTo
  }
  return preview
}

async function addSlice(
  { aside, db, json, tables: { profiles } }: Database,
  { inSlice, sample, preview }: { inSlice: SQL | undefined; sample: number; preview: SegmentPreview },
): Promise<void> {
  const [counted] = await aside(db.select({ count: sql`count(*)` }).from(profiles).where(inSlice))
  const found = Number(counted?.[0] ?? 0)
  preview.profileCount += found
  const missing = Math.min(found, sample - preview.sample.length)
  if (missing === 0) return
  const attributes = json.document()
  const examples = await aside(
    db.select({ attributes }).from(profiles).where(inSlice).orderBy(asc(profiles.id)).limit(missing),
  )
  preview.sample.push(...examples.map(([text]): unknown => JSON.parse(String(text))))
}

function checkSample(sample: number): UserError[] {
  if (Number.isInteger(sample) && sample >= 0 && sample <= MAX_SAMPLE) return []
  return [invalid(['sample'], `sample must be between 0 and ${MAX_SAMPLE}.`)]
}
