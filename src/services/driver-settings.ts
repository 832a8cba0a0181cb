import type { z } from 'zod'
import { invalid, type UserError } from '../domain/errors.ts'

/** More than anybody reads at once. */
const MAX_ERRORS = 20

/** A driver's settings in the form that is stored, or INVALID_INPUT for each that does not fit, below `path`. */
export async function parseSettings(
  schema: z.ZodType<Record<string, unknown>>,
  value: unknown,
  path: string[],
): Promise<{ settings: Record<string, unknown> } | { errors: UserError[] }> {
  const result = await schema.safeParseAsync(value)
  if (result.success) return { settings: result.data }
  const errors = result.error.issues.flatMap((issue) => {
    const at = [...path, ...issue.path.map(String)]
    if (issue.code !== 'unrecognized_keys') return [invalid(at, sentence(issue.message))]
    return issue.keys.map((key) =>
      invalid([...at, key.slice(0, 80)], `There is no setting ${JSON.stringify(key.slice(0, 80))}.`),
    )
  })
  return { errors: errors.slice(0, MAX_ERRORS) }
}

function sentence(message: string): string {
  return /[.!?]$/.test(message) ? message : `${message}.`
}
