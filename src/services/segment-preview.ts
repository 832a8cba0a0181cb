import { and, asc, sql } from 'drizzle-orm'
import type { Session } from '../domain/access.ts'
import { invalid, type UserError } from '../domain/errors.ts'
import { isOfSandbox } from '../storage/profile-scope.ts'
import { ruleCondition } from '../storage/rule-sql.ts'
import { snapshotStore } from '../storage/snapshot.ts'
import type { ServiceContext } from './context.ts'
import { requireRule } from './segment-rule.ts'

const MAX_SAMPLE = 20

export interface SegmentPreview {
  profileCount: number
  /** Attributes of some of the profiles. */
  sample: unknown[]
}

/** Counts what a rule selects, off the event loop; see SegmentService.preview. */
export async function previewSegment(
  ctx: ServiceContext,
  session: Session,
  { rule: input, sample }: { rule: unknown; sample: number },
): Promise<SegmentPreview> {
  const { database, clock } = ctx
  const { db, json, tables } = database
  const { rule } = await requireRule(ctx, session, { input, path: ['rule'], errors: checkSample(sample) })
  const latest = await snapshotStore(database).latest(session.sandbox.id)
  const versionOf = (id: string) => latest.get(id)?.version ?? null
  const selected = and(
    await isOfSandbox(database, session.sandbox.id),
    ruleCondition(rule, { database, now: clock(), versionOf }),
  )
  const [counted] = await database.aside(
    db.select({ count: sql`count(*)` }).from(tables.profiles).where(selected),
  )
  const profileCount = Number(counted?.[0] ?? 0)
  if (profileCount === 0 || sample === 0) return { profileCount, sample: [] }
  const examples = await database.aside(
    db
      .select({ attributes: json.document() })
      .from(tables.profiles)
      .where(selected)
      .orderBy(asc(tables.profiles.id))
      .limit(sample),
  )
  return { profileCount, sample: examples.map(([text]): unknown => JSON.parse(String(text))) }
}

function checkSample(sample: number): UserError[] {
  if (Number.isInteger(sample) && sample >= 0 && sample <= MAX_SAMPLE) return []
  return [invalid(['sample'], `sample must be between 0 and ${MAX_SAMPLE}.`)]
}
