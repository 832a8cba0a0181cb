// What a text from outside may look like. Lengths are counted in code points: an emoji is one.
import { invalid, type UserError } from './errors.ts'

export const MAX_NAME = 255
const MAX_DESCRIPTION = 2000
/** Names that would reach into an object's machinery in some program down the line. */
const DANGEROUS = new Set(['__proto__', 'constructor', 'prototype'])
export const DANGEROUS_NAME = 'an attribute may not be called __proto__, constructor or prototype'
const CONTROL = /\p{Cc}/u
const CONTROL_BUT_NEWLINES = /(?![\t\n\r])\p{Cc}/u

/** How a name is stored: without white space around it. */
export function normalizeName(value: string): string {
  return value.trim()
}

/**
 * The rules of every text: well-formed Unicode, no control characters, and 1 to `max` characters.
 * `what` begins the message, e.g. "The name".
 * @returns at most one INVALID_INPUT, whose message states the whole rule
 */
export function checkText(options: {
  value: string
  path: string[]
  max: number
  what: string
  allowEmpty?: boolean
  /** Allows line breaks and tabs. */
  allowNewlines?: boolean
}): UserError[] {
  const { value, path, max, what, allowEmpty = false, allowNewlines = false } = options
  const refuse = (rule: string) => [invalid(path, `${what} ${rule}.`)]
  if (!value.isWellFormed()) return refuse('must be well-formed Unicode, without half surrogate pairs')
  if ((!allowEmpty && value.trim() === '') || isLonger(value, max)) {
    return refuse(`must have ${allowEmpty ? 'at most' : 'between 1 and'} ${max} characters`)
  }
  if ((allowNewlines ? CONTROL_BUT_NEWLINES : CONTROL).test(value)) {
    return refuse(
      `must not contain control characters${allowNewlines ? ' other than line breaks and tabs' : ', such as line breaks'}`,
    )
  }
  return []
}

/** A name of 1 to 255 characters, counted without the white space around it. */
export function checkName(value: string, path: string[], what = 'The name'): UserError[] {
  return checkText({ value: normalizeName(value), path, max: MAX_NAME, what })
}

/** The two texts that people give to most nouns, below ["input"]; what is absent or null passes. */
export function checkTexts(input: {
  name?: string | null | undefined
  description?: string | null | undefined
}): UserError[] {
  return [
    ...(input.name == null ? [] : checkName(input.name, ['input', 'name'])),
    ...checkDescription(input.description, ['input', 'description']),
  ]
}

/** What somebody else's program said, fit to be shown and stored: one line, and no longer than `max`. */
export function oneLine(text: string, max = 1_000): string {
  return text
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, max)
    .toWellFormed()
}

/** A description of at most 2,000 characters; line breaks are welcome. Null passes. */
export function checkDescription(
  value: string | null | undefined,
  path: string[],
  what = 'The description',
): UserError[] {
  if (value == null) return []
  return checkText({ value, path, max: MAX_DESCRIPTION, what, allowEmpty: true, allowNewlines: true })
}

/** True for a name that no attribute may have. */
export function isDangerous(name: string): boolean {
  return DANGEROUS.has(name)
}

/** A dotted path into a profile's attributes, e.g. `person.name.firstName`. */
export function checkPath(value: string, path: string[], what = 'The attribute path'): UserError[] {
  const errors = checkText({ value, path, max: MAX_NAME, what })
  if (errors.length > 0) return errors
  const isPath = value
    .split('.')
    .every((step) => step !== '' && step === step.trim() && step !== '__proto__' && !/["\\]/.test(step))
  if (isPath) return []
  return [
    invalid(
      path,
      `${what} must be names separated by single dots, such as person.name.firstName, without quotes, backslashes or white space around a name.`,
    ),
  ]
}

/** A path by which attributes come in or are asked for: none of its names is dangerous. */
export function checkSafePath(value: string, path: string[], what?: string): UserError[] {
  if (value.split('.').some(isDangerous)) {
    return [invalid(path, `${what ?? 'The attribute path'}: ${DANGEROUS_NAME}.`)]
  }
  return checkPath(value, path, what)
}

/** Code points are counted only where the answer is open: a hostile text may be long. */
function isLonger(value: string, max: number): boolean {
  if (value.length <= max) return false
  return value.length > 2 * max || [...value].length > max
}
