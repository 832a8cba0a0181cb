// A rule as one SQL condition on `profiles`. Every leaf may be NULL where a value is missing, which stands for false:
// `and` and `or` keep that apart correctly, and wherever something is negated, `is not true` makes it two-valued.
import { and, or, type SQL, sql } from 'drizzle-orm'
import type { AttributeCondition, Rule, Scalar } from '../domain/model.ts'
import { lastDays, parseInstant } from '../domain/rule-instant.ts'
import type { Database } from './database.ts'
import type { JsonDialect } from './json-dialect.ts'

export interface RuleContext {
  database: Pick<Database, 'json' | 'tables'>
  now: Date
  /** The membership version that speaks for a segment; null where it has none. */
  versionOf(segmentId: string): number | null
}

/** The condition under which a row of `profiles` is selected, by the semantics of domain/rule.ts. Every value is bound. */
export function ruleCondition(rule: Rule, context: RuleContext): SQL {
  if ('all' in rule) return and(...rule.all.map((inner) => ruleCondition(inner, context))) ?? sql`1 = 1`
  if ('any' in rule) return or(...rule.any.map((inner) => ruleCondition(inner, context))) ?? sql`1 = 0`
  if ('not' in rule) return isNotTrue(ruleCondition(rule.not, context))
  if ('segment' in rule) return membership(rule.segment, context)
  return attribute(context.database.json, rule.attribute, context.now)
}

const isNotTrue = (condition: SQL) => sql`(${condition}) is not true`

function membership(segmentId: string, { database, versionOf }: RuleContext): SQL {
  const version = versionOf(segmentId)
  if (version === null) return sql`1 = 0`
  const { members, profiles } = database.tables
  // Named in full: in this sub-select both tables have to be told apart.
  return sql`exists (select 1 from ${members} where members.version = ${version} and members.profile_id = ${profiles}.id)`
}

const COMPARISONS = {
  LESS_THAN: '<',
  LESS_OR_EQUAL: '<=',
  GREATER_THAN: '>',
  GREATER_OR_EQUAL: '>=',
} as const

function attribute(json: JsonDialect, { path, operator, value }: AttributeCondition, now: Date): SQL {
  const text = String(value)
  switch (operator) {
    case 'EXISTS':
      return sql`${json.type(path)} is not null`
    case 'NOT_EXISTS':
      return sql`${json.type(path)} is null`
    case 'EQUALS':
    case 'IN':
      return equals(json, path, value)
    case 'NOT_EQUALS':
    case 'NOT_IN':
      return isNotTrue(equals(json, path, value))
    case 'CONTAINS':
      return json.matches(json.text(path), 'anywhere', text)
    case 'STARTS_WITH':
      return json.matches(json.text(path), 'start', text)
    case 'ENDS_WITH':
      return json.matches(json.text(path), 'end', text)
    case 'WITHIN_LAST_DAYS': {
      const { from, to } = lastDays(Number(value), now)
      return sql`${json.instant(path)} between ${from} and ${to}`
    }
    case 'BEFORE':
      return sql`${json.instant(path)} < ${parseInstant(text)}`
    case 'AFTER':
      return sql`${json.instant(path)} > ${parseInstant(text)}`
    case 'LESS_THAN':
    case 'LESS_OR_EQUAL':
    case 'GREATER_THAN':
    case 'GREATER_OR_EQUAL':
      return compares(json, path, { operator: COMPARISONS[operator], bound: value })
    default:
      // A condition that says nothing would select everybody.
      throw new Error(`unknown operator ${String(operator)}`)
  }
}

function equals(json: JsonDialect, path: string, value: AttributeCondition['value']): SQL {
  const values: Scalar[] = value === undefined ? [] : Array.isArray(value) ? value : [value]
  const texts = values.filter((item) => typeof item === 'string')
  const numbers = values.filter((item) => typeof item === 'number')
  const [text, ...moreTexts] = texts
  const [number, ...moreNumbers] = numbers
  const choices: SQL[] = []
  if (moreTexts.length > 0) choices.push(json.isIn(json.text(path), texts))
  else if (text !== undefined) choices.push(json.compareText(json.text(path), '=', text))
  if (moreNumbers.length > 0) choices.push(json.isIn(json.number(path), numbers))
  else if (number !== undefined) choices.push(sql`${json.number(path)} = ${number}`)
  if (values.includes(true)) choices.push(sql`(${json.boolean(path)}) is true`)
  if (values.includes(false)) choices.push(sql`(${json.boolean(path)}) is false`)
  return or(...choices) ?? sql`1 = 0`
}

function compares(
  json: JsonDialect,
  path: string,
  { operator, bound }: { operator: '<' | '<=' | '>' | '>='; bound: AttributeCondition['value'] },
): SQL {
  if (typeof bound === 'number') return sql`${json.number(path)} ${sql.raw(operator)} ${bound}`
  const text = String(bound)
  const asText = json.compareText(json.text(path), operator, text)
  const instant = parseInstant(text)
  if (instant === null) return asText
  // NULL where the stored text is no instant: then both are compared as texts.
  return sql`coalesce(${json.instant(path)} ${sql.raw(operator)} ${instant}, ${asText})`
}
