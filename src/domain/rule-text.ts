import type { AttributeCondition, AttributeOperator, Rule, Scalar } from './model.ts'
import { parseInstant } from './rule-instant.ts'

const MAX_EXPRESSION = 2_000
const PLAIN_PATH = /^[\p{L}\p{N}_.$-]+$/u
const WORDS: Record<AttributeOperator, string> = {
  EQUALS: '=',
  NOT_EQUALS: '!=',
  LESS_THAN: '<',
  LESS_OR_EQUAL: '<=',
  GREATER_THAN: '>',
  GREATER_OR_EQUAL: '>=',
  IN: 'in',
  NOT_IN: 'not in',
  CONTAINS: 'contains',
  STARTS_WITH: 'starts with',
  ENDS_WITH: 'ends with',
  EXISTS: 'exists',
  NOT_EXISTS: 'does not exist',
  WITHIN_LAST_DAYS: 'within last',
  BEFORE: 'before',
  AFTER: 'after',
}

/**
 * The rule as one readable line, e.g. `active = true and (country in ("India", "China"))`; at most 2,000 characters,
 * cut with an ellipsis.
 */
export function printRule(rule: Rule, nameOfSegment: (id: string) => string): string {
  const line = print(rule, nameOfSegment)
  if (line.length <= MAX_EXPRESSION) return line
  const characters = [...line]
  if (characters.length <= MAX_EXPRESSION) return line
  return `${characters.slice(0, MAX_EXPRESSION - 1).join('')}…`
}

function print(rule: Rule, nameOf: (id: string) => string): string {
  if ('all' in rule) return join(rule.all, 'and', nameOf)
  if ('any' in rule) return join(rule.any, 'or', nameOf)
  if ('not' in rule) return `not (${print(rule.not, nameOf)})`
  if ('segment' in rule) return `member of ${JSON.stringify(nameOf(rule.segment))}`
  return condition(rule.attribute)
}

function join(rules: Rule[], word: string, nameOf: (id: string) => string): string {
  const [only, ...others] = rules
  if (only !== undefined && others.length === 0) return print(only, nameOf)
  return rules
    .map((rule) => (needsBrackets(rule) ? `(${print(rule, nameOf)})` : print(rule, nameOf)))
    .join(` ${word} `)
}

function needsBrackets(rule: Rule): boolean {
  if ('attribute' in rule) return rule.attribute.operator === 'IN' || rule.attribute.operator === 'NOT_IN'
  return 'all' in rule || 'any' in rule
}

function condition({ path, operator, value }: AttributeCondition): string {
  const subject = `${PLAIN_PATH.test(path) ? path : JSON.stringify(path)} ${WORDS[operator]}`
  if (value === undefined) return subject
  if (operator === 'WITHIN_LAST_DAYS') return `${subject} ${value} ${value === 1 ? 'day' : 'days'}`
  if (Array.isArray(value)) return `${subject} (${value.map((item) => JSON.stringify(item)).join(', ')})`
  return `${subject} ${scalar(value, operator)}`
}

/** Dates that are compared as instants stand without quotes. */
function scalar(value: Scalar, operator: AttributeOperator): string {
  const isTemporal = /^(LESS|GREATER|BEFORE|AFTER)/.test(operator)
  if (typeof value === 'string' && isTemporal && parseInstant(value) !== null) return value
  return JSON.stringify(value)
}
