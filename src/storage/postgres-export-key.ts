import pg from 'pg'
import type { ExportQuery } from './capabilities.ts'

const stepsOf = (path: string): string[] => ['p.attributes', ...path.split('.').map(pg.escapeLiteral)]

/** A dotted path into the profile `p`. Quoted, not bound: it is the same in every page, and stands in many places. */
export const attributeAt = (path: string): string => `(${stepsOf(path).join(' -> ')})`

/** The same as text: of a string what it holds, of all else its JSON. It is had in less than half the time. */
export function textAt(path: string): string {
  const steps = stepsOf(path)
  const last = steps.pop()
  return `(${steps.join(' -> ')} ->> ${last})`
}

/**
 * The key by which the profiles `p` of an export are duplicates, and the condition on those that are compared: they may
 * leave, and have a value in every part of the key.
 */
export function duplicateKey({ deduplicateBy, required, consent }: ExportQuery) {
  const keys = deduplicateBy.map(attributeAt)
  const conditions = [
    ...keys.map((key) => `jsonb_typeof(${key}) <> 'null'`),
    ...required.map((path) => `coalesce(${attributeAt(path)} #>> '{}', '') <> ''`),
    ...(consent === null ? [] : [`${attributeAt(consent)} = 'true'`]),
  ]
  return { keys, mayLeave: conditions.join(' and ') }
}

/** A value in the text of a statement, where none can be bound. */
export const literal = (value: unknown): string =>
  typeof value === 'number' ? String(value) : pg.escapeLiteral(String(value))

/** Collects the values of a statement, and gives each its place in it. */
export function binder() {
  const values: unknown[] = []
  return { values, bind: (value: unknown) => `$${values.push(value)}` }
}
