import { invalid, type UserError } from './errors.ts'
import { ATTRIBUTE_OPERATORS, type AttributeCondition, type AttributeOperator, type Scalar } from './model.ts'
import { MAX_DAYS, MAX_LIST, MAX_TEXT } from './rule.ts'
import { parseInstant } from './rule-instant.ts'
import { checkSafePath } from './text.ts'

type Checked = { condition: AttributeCondition; errors?: never } | { condition?: never; errors: UserError[] }

/** One condition on an attribute: path, operator, and a value that fits the operator. */
export function checkCondition(input: unknown, path: string[]): Checked {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    return { errors: [invalid(path, 'attribute must have a path and an operator.')] }
  }
  const given = new Map<string, unknown>(Object.entries(input))
  const operator = ATTRIBUTE_OPERATORS.find((name) => name === given.get('operator'))
  const attribute = given.get('path')
  const unknown = [...given.keys()].filter((key) => !['path', 'operator', 'value'].includes(key))
  const errors = [
    ...unknown.map((key) => invalid(path, `attribute has no field ${JSON.stringify(key.slice(0, 80))}.`)),
    ...checkAttributePath(attribute, [...path, 'path']),
  ]
  if (!operator) {
    errors.push(invalid([...path, 'operator'], `operator must be one of ${ATTRIBUTE_OPERATORS.join(', ')}.`))
    return { errors }
  }
  const checked = checkValue(operator, given.get('value') ?? undefined, [...path, 'value'])
  errors.push(...checked.errors)
  if (errors.length > 0 || typeof attribute !== 'string') return { errors }
  return {
    condition:
      checked.value === undefined
        ? { path: attribute, operator }
        : { path: attribute, operator, value: checked.value },
  }
}

function checkAttributePath(value: unknown, path: string[]): UserError[] {
  if (typeof value !== 'string') return [invalid(path, 'path must be a text.')]
  return checkSafePath(value, path)
}

type CheckedValue = { value?: Scalar | Scalar[]; errors: UserError[] }

function checkValue(operator: AttributeOperator, value: unknown, path: string[]): CheckedValue {
  const refuse = (needs: string): CheckedValue => ({ errors: [invalid(path, `${operator} ${needs}.`)] })
  switch (operator) {
    case 'EXISTS':
    case 'NOT_EXISTS':
      return value === undefined ? { errors: [] } : refuse('takes no value')
    case 'IN':
    case 'NOT_IN':
      return checkList(operator, value, path)
    case 'CONTAINS':
    case 'STARTS_WITH':
    case 'ENDS_WITH':
      if (typeof value !== 'string' || value === '') return refuse('needs a text that is not empty')
      return checkScalar(value, path)
    case 'LESS_THAN':
    case 'LESS_OR_EQUAL':
    case 'GREATER_THAN':
    case 'GREATER_OR_EQUAL':
      if (typeof value !== 'string' && typeof value !== 'number') return refuse('needs a number or a text')
      return checkScalar(value, path)
    case 'WITHIN_LAST_DAYS':
      if (typeof value === 'number' && value > 0 && value <= MAX_DAYS) return { value, errors: [] }
      return refuse(`needs a number of days above 0, at most ${MAX_DAYS}`)
    case 'BEFORE':
    case 'AFTER':
      if (typeof value === 'string' && parseInstant(value) !== null) return { value, errors: [] }
      return refuse('needs a date or date-time that exists, such as 2025-01-31 or 2025-01-31T09:00:00Z')
    case 'EQUALS':
    case 'NOT_EQUALS':
      return checkScalar(value, path)
  }
}

function checkList(operator: string, value: unknown, path: string[]): CheckedValue {
  if (!Array.isArray(value) || value.length === 0) {
    return { errors: [invalid(path, `${operator} needs a list of at least one value.`)] }
  }
  if (value.length > MAX_LIST) {
    const message = `${operator} takes at most ${MAX_LIST} values; this list has ${value.length}.`
    return {
      errors: [{ code: 'LIMIT_EXCEEDED', message, path, limit: MAX_LIST, requested: value.length }],
    }
  }
  const items = value.map((item: unknown, index) => checkScalar(item, [...path, String(index)]))
  const scalars = items.flatMap((item) => (item.value === undefined ? [] : item.value))
  return { value: scalars, errors: items.flatMap((item) => item.errors) }
}

function checkScalar(value: unknown, path: string[]): CheckedValue {
  const refuse = (message: string): CheckedValue => ({ errors: [invalid(path, message)] })
  if (typeof value === 'boolean') return { value, errors: [] }
  if (typeof value === 'number') {
    return Number.isFinite(value) ? { value, errors: [] } : refuse('A number must be finite.')
  }
  if (typeof value !== 'string') return refuse('A value must be a text, a number, true or false.')
  if (!value.isWellFormed()) {
    return refuse('A text must be well-formed Unicode, without half surrogate pairs.')
  }
  if (value.includes('\0')) return refuse('A text must not contain the character NUL.')
  if (value.length > MAX_TEXT && (value.length > 2 * MAX_TEXT || [...value].length > MAX_TEXT)) {
    return refuse(`A text must have at most ${MAX_TEXT} characters.`)
  }
  return { value, errors: [] }
}
