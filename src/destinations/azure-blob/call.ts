// One request to the service: its time is limited, what fails by chance is tried again at once, and what is refused
// becomes an error of the closed set.
import { RestError } from '@azure/storage-blob'
import pRetry from 'p-retry'
import { oneLine } from '../../domain/text.ts'
import { DeliveryError, type DeliveryErrorCode } from '../driver.ts'
import { networkError } from '../outbound-error.ts'
import { retryAfterMs } from '../retry-after.ts'

const RETRIES = 2
const PAUSE_MS = 200
/** Of the words of the service in a message. */
const MAX_WORDS = 300

const SLOW_BYTES_PER_MS = 64

/** `bytes`: of the request's body; what is larger may take longer. */
export type Call = <T>(work: (signal: AbortSignal) => Promise<T>, bytes?: number) => Promise<T>

/**
 * @param callMs how long each try of a small request may take
 * @throws DeliveryError, or the signal's reason
 */
export function caller(signal: AbortSignal, callMs: number): Call {
  return (work, bytes = 0) => {
    const limitMs = callMs + Math.ceil(bytes / SLOW_BYTES_PER_MS)
    const once = async () => {
      const limit = AbortSignal.timeout(limitMs)
      try {
        return await work(AbortSignal.any([signal, limit]))
      } catch (thrown) {
        signal.throwIfAborted()
        throw limit.aborted ? tooSlow(limitMs) : classified(thrown)
      }
    }
    const shouldRetry = ({ error }: { error: Error }) => isByChance(error)
    return pRetry(once, { retries: RETRIES, minTimeout: PAUSE_MS, randomize: true, signal, shouldRetry })
  }
}

/** A server that is too busy says as a rule no more than that, and means seconds. */
function isByChance(error: unknown): boolean {
  if (!(error instanceof DeliveryError)) return false
  const { code, retryAfterMs } = error
  return code === 'UNAVAILABLE' || (code === 'THROTTLED' && retryAfterMs === null)
}

/** The service's own name of an error, e.g. BlobNotFound; the system's for a connection that failed. */
export function errorCodeOf(error: unknown): string | undefined {
  if (!(error instanceof RestError)) return undefined
  // Answers to HEAD have it in a header alone.
  const { errorCode } = (error.details ?? {}) as { errorCode?: string }
  return errorCode ?? (error.code === 'PARSE_ERROR' ? undefined : error.code)
}

function tooSlow(limitMs: number): DeliveryError {
  const message = `Azure did not answer within ${Math.round(limitMs / 1000)} seconds.`
  return new DeliveryError('UNAVAILABLE', message, { retryable: true })
}

/** What is wrong with the login or the settings is not mended by trying again; the rest of the refusals neither. */
const BY_CODE: Record<string, [DeliveryErrorCode, boolean]> = {
  ContainerNotFound: ['BAD_SETTINGS', false],
  InvalidResourceName: ['BAD_SETTINGS', false],
  AuthorizationPermissionMismatch: ['REFUSED_WRITE', false],
  AuthorizationResourceTypeMismatch: ['REFUSED_WRITE', false],
  AuthorizationProtocolMismatch: ['BAD_SETTINGS', false],
  InvalidAuthenticationInfo: ['REFUSED_LOGIN', false],
  ContainerBeingDeleted: ['UNAVAILABLE', true],
  LeaseIdMissing: ['REFUSED_WRITE', true],
  Md5Mismatch: ['UNAVAILABLE', true],
  // What the agents throw arrives under its code.
  REFUSED_ADDRESS: ['REFUSED_ADDRESS', false],
}

function classified(error: unknown): unknown {
  // The library's own error holds the request, with its signature: it goes no further.
  if (!(error instanceof RestError)) return error
  const { statusCode: status } = error
  const name = errorCodeOf(error)
  if (status === undefined) {
    const lost = networkError(error, new URL(error.request?.url ?? 'https://azure').host)
    if (lost) return new DeliveryError(lost.code, lost.message, { retryable: lost.retryable })
  }
  const [code, retryable] = BY_CODE[name ?? ''] ?? byStatus(status)
  const retryAfter = retryAfterMs(error.response?.headers.get('retry-after'))
  const options = retryAfter === null ? { retryable } : { retryable, retryAfterMs: retryAfter }
  const what = [status === undefined ? 'cannot be reached' : `answered ${status}`, name].filter(Boolean)
  const words = wordsOf(error)
  return new DeliveryError(code, `Azure ${what.join(' ')}${words && `: ${words}`}`, options)
}

/** The first line, without the numbers of the request below it; of an answer that is none of the service's, all. */
function wordsOf({ message }: RestError): string {
  const body = message.split('while parsing the response body - ')[1]?.replace(/\.$/, '')
  const words = body ?? message.split('\n')[0] ?? ''
  // Of an address that is repeated, the signature is what nobody may see.
  return oneLine(words.replace(/\bsig=[^&\s"'<>]+/g, 'sig=[secret]'), MAX_WORDS)
}

function byStatus(status: number | undefined): [DeliveryErrorCode, boolean] {
  if (status === 401 || status === 403) return ['REFUSED_LOGIN', false]
  if (status === 429 || status === 503) return ['THROTTLED', true]
  if (status === undefined || status === 408 || status >= 500) return ['UNAVAILABLE', true]
  return ['REFUSED_WRITE', false]
}
