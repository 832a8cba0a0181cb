// The forms that settings may have, each with the words for what is not of that form.
import { z } from 'zod'
import { cron } from './cron.ts'
import { problemOfAllowEntry } from './destinations/outbound-rules.ts'
import { ROLES, type Role } from './domain/model.ts'

export const integer = (min: number, max: number) => {
  const message = `must be a whole number from ${min} to ${max}`
  return z
    .string()
    .regex(/^\d{1,9}$/, message)
    .transform(Number)
    .pipe(z.number().min(min, message).max(max, message))
}
/** A number of days, or `off`: for good. */
export const days = z
  .string()
  .regex(/^(off|[1-9]\d{0,4})$/, 'must be a number of days from 1 to 99999, or off')
  .transform((text) => (text === 'off' ? null : Number(text)))
export const oneOf = <const T extends readonly string[]>(values: T) =>
  z.enum(values, { error: `must be one of ${values.join(', ')}` })

export const LOOPBACK = /^(localhost|127(\.\d+){3}|\[?::1\]?)$/
const YES = ['true', '1', 'on', 'yes']
const NO = ['false', '0', 'off', 'no']
export const flag = z
  .string()
  .transform((text) => text.toLowerCase())
  .refine((text) => [...YES, ...NO].includes(text), 'must be true or false')
  .transform((text) => YES.includes(text))

/** `value=ROLE,value=ROLE`; a value may hold an equals sign. */
export const roleMap = z.string().transform((text, ctx): Record<string, Role> => {
  const pairs = text.split(',').map((pair) => /^\s*(.+?)\s*=\s*([A-Z]+)\s*$/.exec(pair) ?? [])
  const roles: [string, Role][] = []
  for (const [, value, name] of pairs) {
    const role = ROLES.find((known) => known === name)
    if (value && role) roles.push([value, role])
  }
  if (roles.length < pairs.length) {
    ctx.addIssue(`must be value=ROLE,value=ROLE with the roles ${ROLES.join(', ')}`)
  }
  return Object.fromEntries(roles)
})
/** Entries between commas. */
export const allowList = z.string().transform((text, ctx) => {
  const entries = text.split(',').map((entry) => entry.trim())
  for (const problem of entries.map(problemOfAllowEntry)) if (problem) ctx.addIssue(problem)
  return entries
})
/** Five fields, or `off`. */
export const cronPattern = z
  .string()
  .max(100, 'must have at most 100 characters')
  .transform((text, ctx) => {
    if (NO.includes(text.trim().toLowerCase())) return null
    try {
      cron(text)
    } catch (error) {
      const why = error instanceof Error ? error.message : ''
      ctx.addIssue(
        `${why}; it takes minute, hour, day, month and day of the week in UTC, like 0 0 * * *, or off`,
      )
    }
    return text
  })
/** Keys that came over a plain connection are anybody's. */
export const jwksUrl = z
  .url({ protocol: /^https?$/, error: 'must be an https:// address' })
  .refine(
    (url) => url.startsWith('https:') || LOOPBACK.test(new URL(url).hostname),
    'must be an https:// address; http:// will do for this machine alone',
  )
export const secretsKey = z
  .string()
  .regex(/^[A-Za-z0-9+/]{43}=$/, 'must be 32 bytes in base64, as «openssl rand -base64 32» prints them')
