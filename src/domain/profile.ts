// What a profile may look like: an object of attributes, by names that a dotted path can reach.
import { DANGEROUS_NAME, isDangerous } from './text.ts'
import { isExact } from './value-type.ts'

/** Profiles in one upsert. */
export const MAX_PROFILES = 2_000
/** Characters of JSON in one upsert. */
export const MAX_UPSERT_SIZE = 8 * 1024 * 1024
const MAX_DEPTH = 8
const MAX_NAME = 255
/** Short enough for every database's index. */
const MAX_KEY = 512
const UNREACHABLE = /[."\\\p{Cc}]/u
const CONTROL = /\p{Cc}/u
const NAMES_KEPT = 10_000
const goodNames = new Set<string>()

/** What is wrong with a profile's attributes, as the end of a sentence; null when nothing is. */
export function attributesProblem(value: unknown): string | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return 'a profile must be an object'
  return valueProblem(value, 1)
}

/** The text that a profile is found by; null where the value identifies nobody. */
export function profileKey(value: unknown): string | null {
  if (typeof value === 'number') return String(value)
  if (typeof value !== 'string') return null
  const key = value.trim()
  return key === '' ? null : key
}

/** What is wrong with a key, as the end of a sentence; null when nothing is. */
export function keyProblem(key: string): string | null {
  if (key.length > MAX_KEY) return `a key may have at most ${MAX_KEY} characters`
  if (CONTROL.test(key)) return 'a key may not contain control characters'
  return key.isWellFormed() ? null : 'a key must be well-formed Unicode'
}

/** The value at a dotted path, undefined where there is none. A path leads through objects only, as in rules. */
export function valueAt(attributes: unknown, path: string): unknown {
  let value = attributes
  for (const step of path.split('.')) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    if (!Object.hasOwn(value, step)) return undefined
    value = (value as Record<string, unknown>)[step] // an own member of an object, checked above
  }
  return value
}

function valueProblem(value: unknown, depth: number): string | null {
  if (typeof value === 'string') return textProblem(value)
  if (typeof value === 'number') {
    return isExact(value) ? null : 'a number is too large to be kept exactly: send it as text'
  }
  if (typeof value !== 'object' || value === null) return null
  if (depth > MAX_DEPTH) return `attributes may be nested at most ${MAX_DEPTH} deep`
  if (Array.isArray(value)) return firstProblem(value, (item) => valueProblem(item, depth + 1))
  return firstProblem(
    Object.entries(value),
    ([name, member]) => nameProblem(name) ?? valueProblem(member, depth + 1),
  )
}

function textProblem(text: string): string | null {
  if (text.includes('\0')) return 'text may not contain NUL characters'
  return text.isWellFormed() ? null : 'text must be well-formed Unicode, without half surrogate pairs'
}

function nameProblem(name: string): string | null {
  if (goodNames.has(name)) return null
  if (isDangerous(name)) return DANGEROUS_NAME
  if (name === '' || name.length > MAX_NAME) {
    return `an attribute's name must have between 1 and ${MAX_NAME} characters`
  }
  if (UNREACHABLE.test(name) || name !== name.trim() || !name.isWellFormed()) {
    return `the attribute ${JSON.stringify(name)} cannot be reached by a path: a name has no dots, quotes, backslashes, control characters or white space around it (nest objects instead of dots)`
  }
  if (goodNames.size < NAMES_KEPT) goodNames.add(name)
  return null
}

function firstProblem<T>(items: readonly T[], problem: (item: T) => string | null): string | null {
  for (const item of items) {
    const found = problem(item)
    if (found !== null) return found
  }
  return null
}
