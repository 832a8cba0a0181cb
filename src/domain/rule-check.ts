import { invalid, type UserError } from './errors.ts'
import type { Rule } from './model.ts'
import { MAX_CONDITIONS, MAX_DEPTH } from './rule.ts'
import { checkCondition } from './rule-check-condition.ts'

const FORMS = ['all', 'any', 'not', 'attribute', 'segment'] as const
const MAX_ERRORS = 50

interface Walk {
  errors: UserError[]
  conditions: number
}

/**
 * A rule from outside, checked as a whole.
 * @param path where the rule stands in the argument; errors point from there into the rule
 * @returns the rule without anything superfluous, or every violation (at most 50)
 */
export function checkRule(
  input: unknown,
  path: string[],
): { rule: Rule; errors?: never } | { rule?: never; errors: UserError[] } {
  const walk: Walk = { errors: [], conditions: 0 }
  const rule = checkNode(walk, { input, path, depth: 1 })
  if (walk.conditions > MAX_CONDITIONS) walk.errors.unshift(tooMany(walk.conditions, path))
  if (rule !== null && walk.errors.length === 0) return { rule }
  return { errors: walk.errors.slice(0, MAX_ERRORS) }
}

interface Node {
  input: unknown
  path: string[]
  depth: number
}

/** Null where something below is wrong; what is wrong is in `walk`. */
function checkNode(walk: Walk, { input, path, depth }: Node): Rule | null {
  const refuse = (error: UserError) => {
    walk.errors.push(error)
    return null
  }
  if (depth > MAX_DEPTH) {
    const message = `A rule may be nested at most ${MAX_DEPTH} deep. Split it into segments that name each other.`
    return refuse({ ...invalid(path, message), code: 'LIMIT_EXCEEDED', limit: MAX_DEPTH })
  }
  const form = formOf(input)
  if (!form) return refuse(invalid(path, `A rule has exactly one of ${FORMS.join(', ')}.`))
  const { name, value } = form
  const inner = [...path, name]
  if (name === 'all' || name === 'any') {
    if (!Array.isArray(value) || value.length === 0) {
      return refuse(invalid(inner, `${name} must list at least one rule.`))
    }
    const rules = value.map((item: unknown, index) =>
      checkNode(walk, { input: item, path: [...inner, String(index)], depth: depth + 1 }),
    )
    const whole = rules.filter((rule) => rule !== null)
    if (whole.length < rules.length) return null
    return name === 'all' ? { all: whole } : { any: whole }
  }
  if (name === 'not') {
    const rule = checkNode(walk, { input: value, path: inner, depth: depth + 1 })
    return rule && { not: rule }
  }
  walk.conditions += 1
  if (name === 'segment') {
    if (typeof value === 'string' && value !== '' && value.length <= 255) return { segment: value }
    return refuse(invalid(inner, 'segment must be the id of a segment.'))
  }
  const checked = checkCondition(value, inner)
  if (checked.errors) {
    walk.errors.push(...checked.errors)
    return null
  }
  return { attribute: checked.condition }
}

/** The one form that is given; null for none, several, or an unknown one. */
function formOf(input: unknown): { name: (typeof FORMS)[number]; value: unknown } | null {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return null
  const [given, ...others] = Object.entries(input).filter(([, value]) => value !== undefined)
  if (!given || others.length > 0) return null
  const name = FORMS.find((form) => form === given[0])
  return name && given[1] !== null ? { name, value: given[1] } : null
}

const tooMany = (requested: number, path: string[]): UserError => ({
  code: 'LIMIT_EXCEEDED',
  message: `A rule may have at most ${MAX_CONDITIONS} conditions; this one has ${requested}. Split it into segments that name each other, or use IN with a list.`,
  path,
  limit: MAX_CONDITIONS,
  requested,
})
