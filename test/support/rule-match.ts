// The reference that SQL is compared with: what domain/rule.ts says, in plain JavaScript.
import type { AttributeCondition, Rule, Scalar } from '../../src/domain/model.ts'
import { lastDays, parseInstant } from '../../src/domain/rule-instant.ts'

interface MatchContext {
  now: Date
  isMember(segmentId: string): boolean
}

/** Whether a profile with these attributes is selected. */
export function matchRule(rule: Rule, attributes: Record<string, unknown>, context: MatchContext): boolean {
  if ('all' in rule) return rule.all.every((inner) => matchRule(inner, attributes, context))
  if ('any' in rule) return rule.any.some((inner) => matchRule(inner, attributes, context))
  if ('not' in rule) return !matchRule(rule.not, attributes, context)
  if ('segment' in rule) return context.isMember(rule.segment)
  return matchCondition(rule.attribute, valueAt(attributes, rule.attribute.path), context.now)
}

function valueAt(attributes: Record<string, unknown>, path: string): unknown {
  let value: unknown = attributes
  for (const step of path.split('.')) {
    if (!isObject(value) || !Object.hasOwn(value, step)) return undefined
    value = value[step]
  }
  return value ?? undefined
}

function matchCondition({ operator, value }: AttributeCondition, actual: unknown, now: Date): boolean {
  switch (operator) {
    case 'EXISTS':
      return actual !== undefined
    case 'NOT_EXISTS':
      return actual === undefined
    case 'EQUALS':
      return actual === value
    case 'NOT_EQUALS':
      return actual !== value
    case 'IN':
      return isIn(actual, value)
    case 'NOT_IN':
      return !isIn(actual, value)
    case 'LESS_THAN':
      return order(actual, value, (sign) => sign < 0)
    case 'LESS_OR_EQUAL':
      return order(actual, value, (sign) => sign <= 0)
    case 'GREATER_THAN':
      return order(actual, value, (sign) => sign > 0)
    case 'GREATER_OR_EQUAL':
      return order(actual, value, (sign) => sign >= 0)
  }
  if (typeof actual !== 'string') return false
  if (operator === 'CONTAINS') return actual.includes(String(value))
  if (operator === 'STARTS_WITH') return actual.startsWith(String(value))
  if (operator === 'ENDS_WITH') return actual.endsWith(String(value))
  const instant = parseInstant(actual)
  if (instant === null) return false
  if (operator === 'WITHIN_LAST_DAYS') {
    const { from, to } = lastDays(Number(value), now)
    return instant >= from && instant <= to
  }
  const bound = parseInstant(String(value))
  if (bound === null) return false
  return operator === 'BEFORE' ? instant < bound : instant > bound
}

function isIn(actual: unknown, list: AttributeCondition['value']): boolean {
  const values: readonly unknown[] = Array.isArray(list) ? list : []
  return values.includes(actual)
}

function order(
  actual: unknown,
  bound: Scalar | Scalar[] | undefined,
  holds: (sign: number) => boolean,
): boolean {
  if (typeof actual === 'number' && typeof bound === 'number') return holds(Math.sign(actual - bound))
  if (typeof actual !== 'string' || typeof bound !== 'string') return false
  const [left, right] = [parseInstant(actual), parseInstant(bound)]
  if (left !== null && right !== null) return holds(Math.sign(left - right))
  return holds(compareCodePoints(actual, bound))
}

/** JavaScript's `<` compares UTF-16 units, which puts 😀 before ﬁ (U+FB01); databases go by code point. */
function compareCodePoints(left: string, right: string): number {
  const length = Math.min(left.length, right.length)
  for (let i = 0; i < length; i++) {
    const difference = rank(left.charCodeAt(i)) - rank(right.charCodeAt(i))
    if (difference !== 0) return difference
  }
  return left.length - right.length
}

/** Surrogates stand for code points above all single units. */
function rank(unit: number): number {
  const isSurrogate = unit >= 0xd800 && unit < 0xe000
  return isSurrogate ? unit + 0x10000 : unit
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
