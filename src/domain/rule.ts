// What a segment's rule means; storage/rule-sql.ts keeps to it.
//
//   - A path leads through objects by name. It never steps into a list, a text or a number. A value that is absent or
//     null is missing.
//   - Every condition is true or false, never unknown, so `not` is exact negation. On a missing value every condition is
//     false but NOT_EXISTS, NOT_EQUALS and NOT_IN: the last two are the exact negations of EQUALS and IN.
//   - EQUALS and IN compare value and type: the number 1 is neither "1" nor true. Numbers compare as doubles.
//   - LESS_… and GREATER_… with a number hold for numbers only; with a text for texts only: as instants where both
//     texts are ISO dates or date-times (rule-instant.ts), otherwise in the order of code points.
//   - BEFORE and AFTER compare instants, strictly. WITHIN_LAST_DAYS n: later than n × 24 hours ago, and not after now.
//   - CONTAINS, STARTS_WITH and ENDS_WITH are literal, mind upper and lower case, and hold for texts only.
//   - A list or an object exists, and that is all: the other conditions treat it as a value that equals nothing.
//   - `segment` holds for the members of that segment's latest snapshot; a segment without one has no members.
import type { Rule } from './model.ts'

export const MAX_DEPTH = 10
export const MAX_CONDITIONS = 500
export const MAX_LIST = 1_000
export const MAX_TEXT = 1_000
export const MAX_DAYS = 36_500

export type Leaf = Extract<Rule, { attribute: unknown } | { segment: string }>

/** Every condition of the rule, in reading order, with the path that leads to what it tests. */
export function leafPaths(rule: Rule, path: string[] = []): { leaf: Leaf; path: string[] }[] {
  const list = (name: string, rules: Rule[]) =>
    rules.flatMap((inner, index) => leafPaths(inner, [...path, name, String(index)]))
  if ('all' in rule) return list('all', rule.all)
  if ('any' in rule) return list('any', rule.any)
  if ('not' in rule) return leafPaths(rule.not, [...path, 'not'])
  return [{ leaf: rule, path: [...path, 'segment' in rule ? 'segment' : 'attribute'] }]
}

/** Ids of the segments that the rule names, each once. */
export function segmentsNamedIn(rule: Rule): string[] {
  const ids = leafPaths(rule).flatMap(({ leaf }) => ('segment' in leaf ? [leaf.segment] : []))
  return [...new Set(ids)]
}
