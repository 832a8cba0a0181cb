import type { ExportQuery } from './capabilities.ts'
import { sqliteJsonPath } from './sqlite-json-path.ts'

/**
 * The key by which the profiles `p` of an export are duplicates, and the condition on those that are compared: they may
 * leave, and have a value in every part of the key. With the paths that both take, in their order.
 */
export function duplicateKey({ deduplicateBy, required, consent }: ExportQuery) {
  const keyPaths = deduplicateBy.map(sqliteJsonPath)
  const keys = keyPaths.map(() => 'json_extract(p.attributes, ?)')
  const conditions = [
    ...keys.map((value) => `${value} is not null`),
    ...required.map(() => "coalesce(json_extract(p.attributes, ?), '') <> ''"),
    ...(consent === null ? [] : ["json_type(p.attributes, ?) = 'true'"]),
  ]
  return {
    keys,
    keyPaths,
    mayLeave: conditions.join(' and '),
    mayLeavePaths: [
      ...keyPaths,
      ...required.map(sqliteJsonPath),
      ...(consent === null ? [] : [sqliteJsonPath(consent)]),
    ],
  }
}
