import pg from 'pg'
import type { ExportQuery } from './capabilities.ts'

/** A dotted path into the profile `p`. Quoted, not bound: it is the same in every page, and stands in many places. */
export const attributeAt = (path: string): string =>
  `(${['p.attributes', ...path.split('.').map((step) => pg.escapeLiteral(step))].join(' -> ')})`

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

/** Collects the values of a statement, and gives each its place in it. */
export function binder() {
  const values: unknown[] = []
  return { values, bind: (value: unknown) => `$${values.push(value)}` }
}
