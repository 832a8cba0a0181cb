// Which attributes a dataflow sends, and under which names.
import { invalid, type UserError } from './errors.ts'
import { isMembershipStatus } from './membership.ts'
import type { FieldMapping } from './model.ts'
import { checkPath, checkText, MAX_NAME } from './text.ts'

export interface FieldMappingInput {
  /** Dotted path into the profile's attributes. */
  source: string
  target: string
  required?: boolean | null | undefined
}

const MAX_DEDUPLICATE = 2
/** Characters of the names of a destination's fields. */
const MAX_SHOWN = 1_000

/**
 * The fields to store, or every rule they break.
 * @param options.known the fields that the destination knows; empty: it takes any. What it requires is required of every
 * profile.
 */
export function checkFields(options: {
  fields: readonly FieldMappingInput[]
  known: readonly { name: string; required: boolean }[]
  max: number
  path: string[]
}): { fields: FieldMapping[] } | { errors: UserError[] } {
  const { known, max, path } = options
  const count = options.fields.length
  if (count === 0) return { errors: [invalid(path, 'A dataflow sends at least one field.')] }
  if (count > max) {
    const message = `A dataflow sends at most ${max} fields.`
    return { errors: [{ code: 'LIMIT_EXCEEDED', message, path, limit: max, requested: count }] }
  }
  const fields = options.fields.map(({ source, target, required }) => ({
    source,
    target: target.trim(),
    required: required === true || known.some((field) => field.required && field.name === target.trim()),
  }))
  const errors = [
    ...fields.flatMap((field, index) => checkField(field, known, [...path, String(index)])),
    ...checkUnique(fields, path),
    ...known
      .filter(({ name, required }) => required && !fields.some((field) => field.target === name))
      .map(({ name }) => invalid(path, `The destination needs a field with the target ${name}.`)),
  ]
  return errors.length > 0 ? { errors } : { fields }
}

/**
 * One row per value of at most two attributes, each of which must be sent. Duplicates count once.
 * @param options.path of the list; null where the list is not part of the input and only the fields changed
 */
export function checkDeduplicateBy(options: {
  deduplicateBy: readonly string[]
  fields: readonly { source: string }[]
  path: string[] | null
  fieldsPath: string[]
}): UserError[] {
  const { deduplicateBy, fields, path, fieldsPath } = options
  const requested = new Set(deduplicateBy).size
  if (path && requested > MAX_DEDUPLICATE) {
    const message = `Profiles are deduplicated by at most ${MAX_DEDUPLICATE} attributes.`
    return [{ code: 'LIMIT_EXCEEDED', message, path, limit: MAX_DEDUPLICATE, requested }]
  }
  return deduplicateBy.flatMap((source, index) => {
    if (isMembershipStatus(source)) {
      const message = 'The status of the membership tells no profiles apart: deduplicate by attributes.'
      return [invalid(path ? [...path, String(index)] : fieldsPath, message)]
    }
    if (fields.some((field) => field.source === source)) return []
    const message = 'Profiles are deduplicated by attributes that are the source of a field of the dataflow.'
    return [invalid(path ? [...path, String(index)] : fieldsPath, message)]
  })
}

function checkField(
  { source, target }: FieldMapping,
  known: readonly { name: string }[],
  path: string[],
): UserError[] {
  const at = [...path, 'target']
  const errors = [
    ...checkPath(source, [...path, 'source'], 'The source'),
    ...checkText({ value: target, path: at, max: MAX_NAME, what: 'The target' }),
  ]
  const isKnown = known.length === 0 || known.some(({ name }) => name === target)
  if (errors.length > 0 || isKnown) return errors
  const names = known.map(({ name }) => name).join(', ')
  const shown = names.length > MAX_SHOWN ? `${names.slice(0, MAX_SHOWN)} …` : `${names}.`
  return [invalid(at, `The destination has no such field. Its fields: ${shown}`)]
}

function checkUnique(fields: readonly FieldMapping[], path: string[]): UserError[] {
  const seen = new Set<string>()
  return fields.flatMap(({ target }, index) => {
    const isRepeated = seen.has(target)
    seen.add(target)
    if (!isRepeated) return []
    return [invalid([...path, String(index), 'target'], 'Every field needs a target of its own.')]
  })
}
