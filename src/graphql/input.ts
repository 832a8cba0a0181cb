import { Refusal } from '../domain/errors.ts'

/** How many items a list in a request may have, unless a rule says otherwise. */
const MAX_LIST = 250

/**
 * The list without its repetitions.
 * @throws Refusal LIMIT_EXCEEDED for a list that is too long
 */
export function distinct<T>(
  list: readonly T[] | null | undefined,
  path: string[],
  limit = MAX_LIST,
): T[] | undefined {
  return list == null ? undefined : [...new Set(atMost(list, path, limit))]
}

/** @throws Refusal LIMIT_EXCEEDED for a list that is too long */
export function atMost<T>(list: readonly T[], path: string[], limit = MAX_LIST): readonly T[] {
  if (list.length <= limit) return list
  const message = `${path.at(-1)} must have at most ${limit} items.`
  throw new Refusal({ code: 'LIMIT_EXCEEDED', message, path, limit, requested: list.length })
}
