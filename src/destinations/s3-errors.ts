// What an object store's refusals mean. Stores that speak the S3 protocol share its codes, and add a few of their own.
import { setTimeout as sleep } from 'node:timers/promises'
import pRetry from 'p-retry'
import { oneLine } from '../domain/text.ts'
import { DeliveryError, type DeliveryErrorCode } from './driver.ts'
import { networkError } from './outbound-error.ts'
import { retryAfterMs } from './retry-after.ts'

const RETRIES = 3
const BACKOFF_MS = 200
/** A store that asks for a longer pause is left alone: the run waits, not the request. */
const MAX_PAUSE_MS = 5_000

const CODES: readonly [DeliveryErrorCode, RegExp][] = [
  [
    'REFUSED_LOGIN',
    /^(InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|TokenRefreshRequired|InvalidSecurity|NotSignedUp|AccountProblem|RequestTimeTooSkewed|Unauthorized)$/,
  ],
  ['REFUSED_WRITE', /^(AccessDenied|AllAccessDisabled|AccountDisabled|UserProjectAccessDenied|Forbidden)$/],
  ['OUT_OF_SPACE', /(QuotaExceeded|StorageFull|StorageCapExceeded|InsufficientStorage)/i],
  ['THROTTLED', /^(SlowDown\w*|Throttl\w*|TooManyRequests\w*|RequestLimitExceeded|RateLimitExceeded)$/],
  [
    'UNAVAILABLE',
    /^(NoSuchUpload|NoSuchKey|InvalidPart|RequestTimeout|IncompleteBody|BadDigest|XAmzContentSHA256Mismatch|OperationAborted|ConditionalRequestConflict)$/,
  ],
]
/** What a request was refused with: the store's code, and the status of HTTP. */
interface Refusal {
  code: string
  status: number
}

/** The store's own code in an error that `request` threw; null: there is none. */
function refusalIn(error: unknown): Refusal | null {
  const cause = error instanceof DeliveryError ? error.cause : null
  return cause && typeof cause === 'object' && 'status' in cause ? (cause as Refusal) : null
}

/** Whether the store refused with one of these codes. An answer without a body has that of its status: NotFound. */
export function isRefused(error: unknown, ...codes: string[]): boolean {
  const refusal = refusalIn(error)
  return refusal !== null && codes.includes(refusal.code)
}

/** Whether the store does not have what was asked for, or the account may not ask. */
export function cannotAsk(error: unknown): boolean {
  return isRefused(error, 'NotImplemented', 'MethodNotAllowed', 'AccessDenied')
}

/**
 * Makes a request, and again a few times when the store is busy or breaks off.
 * @throws DeliveryError, the signal's reason, or what is no refusal
 */
export function request<T>(send: () => Promise<T>, signal: AbortSignal): Promise<T> {
  const once = async () => {
    try {
      return await send()
    } catch (thrown) {
      signal.throwIfAborted()
      throw deliveryErrorOf(thrown)
    }
  }
  return pRetry(once, {
    retries: RETRIES,
    minTimeout: BACKOFF_MS,
    randomize: true,
    signal,
    async shouldRetry({ error, retryDelay }) {
      if (!isWorthAgain(error)) return false
      const more = Math.max(0, (error.retryAfterMs ?? 0) - retryDelay)
      await sleep(more, undefined, { signal }).catch(() => signal.throwIfAborted())
      return true
    },
  })
}

/** A body that did not arrive as it was sent. */
const DAMAGED = /^(RequestTimeout|IncompleteBody|BadDigest|XAmzContentSHA256Mismatch)$/

/** Busy, or broken off; not what the store says of the request itself. */
function isWorthAgain(error: unknown): error is DeliveryError {
  if (!(error instanceof DeliveryError) || !error.retryable) return false
  if ((error.retryAfterMs ?? 0) > MAX_PAUSE_MS) return false
  const { status, code } = refusalIn(error) ?? { status: 0, code: '' }
  if (error.code === 'THROTTLED') return true
  return error.code === 'UNAVAILABLE' && (status === 0 || status >= 500 || DAMAGED.test(code))
}

/** The closed set's error for what the library threw; anything else is a bug, and comes back as it is. */
function deliveryErrorOf(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return thrown
  const { name, message, code: nodeCode, Code: code = name, $metadata, $response } = thrown as SdkError
  const broken = networkError(thrown, 'The store')
  if (broken) return broken
  if (name === 'TimeoutError') return unavailable('The store does not answer in time.')
  if (nodeCode?.startsWith('HPE_')) return unavailable('The store does not answer as HTTP is spoken.')
  const status = $response?.statusCode ?? $metadata?.httpStatusCode
  if (status === undefined) return thrown
  const kind = kindOf(code, status)
  const pause = retryAfterMs($response?.headers?.['retry-after'])
  return new DeliveryError(
    kind,
    `The store answered ${status} ${oneLine(code, 200)}: ${oneLine(message, 200)}`,
    {
      retryable: kind === 'THROTTLED' || kind === 'UNAVAILABLE' || kind === 'OUT_OF_SPACE',
      ...(pause !== null && { retryAfterMs: pause }),
      cause: { code, status } satisfies Refusal, // and no more: the library's errors hold the whole exchange
    },
  )
}

const unavailable = (message: string) => new DeliveryError('UNAVAILABLE', message, { retryable: true })

interface SdkError extends NodeJS.ErrnoException {
  Code?: string
  $metadata?: { httpStatusCode?: number }
  $response?: { statusCode?: number; headers?: Record<string, string> }
}

function kindOf(code: string, status: number): DeliveryErrorCode {
  const found = CODES.find(([, pattern]) => pattern.test(code))
  if (found) return found[0]
  if (status === 401) return 'REFUSED_LOGIN'
  if (status === 403) return 'REFUSED_WRITE'
  if (status === 429 || status === 503) return 'THROTTLED'
  if (status === 507) return 'OUT_OF_SPACE'
  if ((status >= 500 && status !== 501) || status === 408) return 'UNAVAILABLE'
  return 'BAD_SETTINGS'
}
