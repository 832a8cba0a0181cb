import type { z } from 'zod'
import type { DriverRegistry } from '../destinations/registry.ts'
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

/** INVALID_INPUT for a type that no driver has, naming those there are. */
export function unknownType(drivers: DriverRegistry, type: string): UserError {
  const known = drivers.list().map((driver) => driver.type)
  const message = `There is no destination type ${JSON.stringify(type.slice(0, 80))}. Known: ${known.join(', ')}.`
  return invalid(['input', 'type'], message)
}

function sentence(message: string): string {
  return /[.!?]$/.test(message) ? message : `${message}.`
}
