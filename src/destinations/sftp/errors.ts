// What servers and the SSH library say, in the closed set of errors.
import { oneLine } from '../../domain/text.ts'
import { DeliveryError } from '../driver.ts'

const MAX_WORDS = 300

/** SSH_FX_… (draft-ietf-secsh-filexfer); those from 11 on are of later versions of the protocol than ours. */
export const STATUS = {
  endOfFile: 1,
  noSuchFile: 2,
  permissionDenied: 3,
  failure: 4,
  badMessage: 5,
  noConnection: 6,
  connectionLost: 7,
  unsupported: 8,
  fileExists: 11,
  writeProtected: 12,
  noSpace: 14,
  quotaExceeded: 15,
} as const

/** The server's status, or null for an error that is not its answer. */
export function statusOf(error: unknown): number | null {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'number' ? code : null
}

export function unavailable(message: string, cause?: unknown): DeliveryError {
  return new DeliveryError('UNAVAILABLE', message, { retryable: true, cause })
}

/** @param what what was asked for, e.g. `to make the folder /out` */
export function refused(error: unknown, what: string, isWrite = false): unknown {
  const status = statusOf(error)
  if (status === null) return error
  const words = wordsOf(error)
  const said = `The server refused ${what}: ${words}.`
  const of = (code: ConstructorParameters<typeof DeliveryError>[0], retryable: boolean, remedy = '') =>
    new DeliveryError(code, `${said}${remedy && ` ${remedy}`}`, { retryable })
  const isFull = /\b(quota|space|full)\b/i.test(words)
  switch (status) {
    case STATUS.noSuchFile:
      return of('BAD_SETTINGS', false, 'A step of the path is not there, or is no folder.')
    case STATUS.permissionDenied:
    case STATUS.writeProtected:
      return of('REFUSED_WRITE', false, 'Give the user of the account that right, then retry the run.')
    case STATUS.badMessage:
    case STATUS.unsupported:
      return of('BAD_SETTINGS', false)
    case STATUS.noConnection:
    case STATUS.connectionLost:
      return unavailable(said)
    case STATUS.noSpace:
    case STATUS.quotaExceeded:
      return of('OUT_OF_SPACE', true, 'Free space there, then retry the run.')
    default:
      if (isFull) return of('OUT_OF_SPACE', true, 'Free space there, then retry the run.')
      // All that OpenSSH says when the disk is full, or a quota or a limit on a file's size is reached.
      if (isWrite)
        return of(
          'OUT_OF_SPACE',
          true,
          'Most often its disk is full, or a quota is reached: free space there.',
        )
      return of('REFUSED_WRITE', true)
  }
}

/** Of a server, on one line and not too many. */
export function wordsOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return oneLine(text, MAX_WORDS).replace(/\.$/, '') || 'without a word'
}
