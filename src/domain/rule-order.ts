import { invalid, Refusal } from './errors.ts'
import type { Rule } from './model.ts'
import { segmentsNamedIn } from './rule.ts'

export interface OrderedSegment {
  id: string
  name: string
  rule: Rule
}

/**
 * The segments in an order in which each comes after those its rule names; otherwise in the order given. Names of
 * segments that are not in the list do not matter.
 * @throws Refusal INVALID_INPUT that names the segments of a circle
 */
export function evaluationOrder<T extends OrderedSegment>(
  segments: readonly T[],
  path: string[] = ['input', 'rule'],
): T[] {
  const byId = new Map(segments.map((segment) => [segment.id, segment]))
  const done = new Set<string>()
  const ordered: T[] = []
  const visit = (segment: T, trail: readonly T[]) => {
    if (done.has(segment.id)) return
    const start = trail.indexOf(segment)
    if (start >= 0) throw new Refusal(circle([...trail.slice(start), segment], path))
    for (const id of segmentsNamedIn(segment.rule)) {
      const named = byId.get(id)
      if (named) visit(named, [...trail, segment])
    }
    done.add(segment.id)
    ordered.push(segment)
  }
  for (const segment of segments) visit(segment, [])
  return ordered
}

function circle(segments: readonly OrderedSegment[], path: string[]) {
  const names = segments.map((segment) => JSON.stringify(segment.name)).join(' → ')
  return invalid(
    path,
    `The rules of these segments name each other in a circle: ${names}. Break it at one of them.`,
  )
}
