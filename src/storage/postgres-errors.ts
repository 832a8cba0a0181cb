// What PostgreSQL and the way to it report, as what callers know.
import { invalid, Refusal, TLS_FAILURE, Unavailable } from '../domain/errors.ts'

const UNREACHABLE = 'The database cannot be reached. Try again in a few seconds.'
const NO_SPACE = 'The disk of the database is full or failing. Free space, then try again.'
const BUSY = 'The database is busy. Try again in a few seconds.'
export const READ_ONLY = 'The database takes no writes, as a replica does. Point DATABASE_URL to its primary.'
const NOT_TRUSTED =
  'The database cannot be trusted over TLS. Name the authority of its certificate in DATABASE_URL: sslrootcert=PATH.'
const NUL = 'Text must not contain the character NUL or half a surrogate pair.'

/** By SQLSTATE, or the first two characters of it: its class. */
const UNAVAILABLE: Record<string, string> = {
  '08': UNREACHABLE,
  '25006': READ_ONLY,
  '40001': BUSY,
  '40P01': BUSY,
  '53': 'The database is out of memory or of connections. Try again in a few seconds.',
  '53100': NO_SPACE,
  '55P03': BUSY,
  '57': UNREACHABLE, // it is being stopped or started
  '57014': 'The database took too long. Try again in a few seconds.',
  '58': NO_SPACE,
  ECONNREFUSED: UNREACHABLE,
  ECONNRESET: UNREACHABLE,
  EHOSTUNREACH: UNREACHABLE,
  EPIPE: UNREACHABLE,
  ETIMEDOUT: UNREACHABLE,
  ENOTFOUND: UNREACHABLE,
  EAI_AGAIN: UNREACHABLE,
  '28': 'The database refuses the user or the password of DATABASE_URL.',
  '28000':
    'The database does not let this user in from here. It may want TLS: add sslmode=verify-full to DATABASE_URL.',
  '3D000': 'There is no database of the name that DATABASE_URL gives.',
}
/** The driver's own, which have no code. */
const LOST =
  /^Connection terminated|connection error and is not queryable|^Client was closed|^The server does not support SSL/
const NO_CONNECTION =
  /^timeout exceeded when trying to connect|^Connection terminated due to connection timeout/

/** Resource trouble becomes Unavailable: the caller may try again. What is no text there becomes a Refusal. */
export function translated(error: unknown): unknown {
  const cause = rootCause(error)
  if (!(cause instanceof Error)) return error
  // What PostgreSQL says besides its message repeats values of rows, and would be logged.
  for (const name of ['detail', 'where', 'internalQuery'])
    if (name in cause) Object.assign(cause, { [name]: undefined })
  const { code = '' } = cause as { code?: string }
  if (code === '22021' || code === '22P05') return new Refusal(invalid([], NUL))
  if (TLS_FAILURE.test(code)) return unavailable(NOT_TRUSTED, cause)
  const known = UNAVAILABLE[code] ?? UNAVAILABLE[code.slice(0, 2)]
  if (known !== undefined && (code.length === 5 || code in UNAVAILABLE)) return unavailable(known, cause)
  if (NO_CONNECTION.test(cause.message)) {
    return unavailable('No connection to the database is free. Try again in a few seconds.', cause)
  }
  if (LOST.test(cause.message)) return unavailable(UNREACHABLE, cause)
  return error
}

const unavailable = (message: string, cause: Error) => new Unavailable(message, { cause })

/** Another attempt of the same transaction may succeed: it lost against another one. */
export function isRace(error: unknown): boolean {
  const { code, constraint = '' } = (rootCause(error) ?? {}) as { code?: string; constraint?: string }
  // Two that took max(number) + 1 at the same moment: the second finds the next number free.
  return code === '40001' || code === '40P01' || (code === '23505' && constraint.endsWith('_number'))
}

export function violatedTable(error: unknown): string | null {
  const { code, table } = (rootCause(error) ?? {}) as { code?: string; table?: string }
  return code === '23505' ? (table ?? null) : null
}

function rootCause(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? rootCause(error.cause) : error
}
