import type { Session } from '../domain/access.ts'
import { notFound, Refusal, type UserError } from '../domain/errors.ts'
import type { Rule } from '../domain/model.ts'
import { leafPaths, segmentsNamedIn } from '../domain/rule.ts'
import { checkRule } from '../domain/rule-check.ts'
import { evaluationOrder } from '../domain/rule-order.ts'
import { segmentStore } from '../storage/segment.ts'
import type { Row } from '../storage/tables.ts'
import type { ServiceContext } from './context.ts'

/** Ids a statement asks for at once. */
const STEP = 1_000

export interface RuleInContext {
  rule: Rule
  /** Names of the segments that the rule names, by id. */
  named: Map<string, string>
  /** Those segments, and the ones that their rules name in turn. */
  reached: Row<'segments'>[]
}

/**
 * A rule from outside, with the segments that it names.
 * @throws Refusal with `errors` and every violation: of the language, of a segment that is not there, or a circle that
 * the rule would close as the rule of the segment `of`
 */
export async function requireRule(
  ctx: ServiceContext,
  session: Session,
  options: { input: unknown; path: string[]; errors?: UserError[]; of?: Row<'segments'> },
): Promise<RuleInContext> {
  const { path, of, errors = [] } = options
  const checked = checkRule(options.input, path)
  if (checked.errors) throw new Refusal([...errors, ...checked.errors])
  const { rule } = checked
  const reached = await reach(ctx, session, segmentsNamedIn(rule))
  const missing = leafPaths(rule, path).filter(({ leaf }) => 'segment' in leaf && !reached.has(leaf.segment))
  const all = [
    ...errors,
    ...missing.map(({ leaf, path }) => notFound('segment', 'segment' in leaf ? leaf.segment : '', path)),
  ]
  if (all.length > 0) throw new Refusal(all)
  const rows = [...reached.values()]
  if (of) evaluationOrder([{ ...of, rule }, ...rows.filter(({ id }) => id !== of.id)], path)
  return { rule, named: new Map(rows.map(({ id, name }) => [id, name])), reached: rows }
}

/** The segments with these ids, and those that their rules name, and so on; without deleted ones. */
async function reach(
  ctx: ServiceContext,
  session: Session,
  ids: string[],
): Promise<Map<string, Row<'segments'>>> {
  const store = segmentStore(ctx.database)
  const reached = new Map<string, Row<'segments'>>()
  const asked = new Set<string>()
  let next = ids
  while (next.length > 0) {
    const step = next.slice(0, STEP)
    for (const id of step) asked.add(id)
    const rows = await store.byIds(session.sandbox.id, step)
    const kept = rows.filter(({ status }) => status !== 'DELETED')
    for (const row of kept) reached.set(row.id, row)
    const named = kept.flatMap(({ rule }) => segmentsNamedIn(rule))
    next = [...new Set([...next.slice(STEP), ...named])].filter((id) => !asked.has(id))
  }
  return reached
}
