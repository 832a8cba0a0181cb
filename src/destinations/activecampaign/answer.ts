// What ActiveCampaign's answers say. Their shapes differ from place to place, and from what is published: keys come with
// blanks and in other cases, lists hold texts or objects.
import { oneLine } from '../../domain/text.ts'
import { DeliveryError } from '../driver.ts'

export interface Answer {
  status: number
  /** The parsed body; null where it is no JSON. */
  body: unknown
  retryAfterMs: number | null
}

const MAX_WORDS = 500
const THROTTLED_MS = 60_000

/** The destination's own words, on one line; without e-mails, because answers are logged and shown. */
export function wordsOf({ body }: Answer): string {
  const errors = itemsOf(get(body, 'errors')).map((error) =>
    [get(error, 'title'), get(error, 'detail')].filter(isText).join(': '),
  )
  const reasons = itemsOf(get(body, 'failureReasons')).map((reason) => get(reason, 'failureReason') ?? reason)
  const words = [get(body, 'message'), ...errors, ...reasons].filter(isText).join(' ')
  return plain(words || 'It gave no reason.')
}

/** The contacts that are named as what is wrong with a batch, by their place in it, and why. */
export function namedContacts({ body }: Answer): Map<number, string> {
  return new Map(
    itemsOf(get(body, 'failureReasons')).flatMap((reason) => {
      const number = Number(get(reason, 'contact'))
      if (!Number.isInteger(number) || number < 1) return []
      return [[number - 1, plain(String(get(reason, 'failureReason') ?? 'It gave no reason.'))] as const]
    }),
  )
}

/** The id of the batch that was queued; null where none was. */
export function queuedBatch({ status, body }: Answer): string | null {
  const batchId = get(body, 'batchId')
  const success = Number(get(body, 'success')) // 1, or how many were received, or true
  return status < 300 && success > 0 && isText(batchId) ? batchId : null
}

/** What an answer means that is not the one hoped for. `clean` takes out what nobody may read in it. */
export function failureOf(answer: Answer, clean = (words: string) => words): DeliveryError {
  const { status, body, retryAfterMs } = answer
  const message = `ActiveCampaign answered ${status}: ${clean(wordsOf(answer))}`
  const wait = retryAfterMs === null ? {} : { retryAfterMs }
  if (isTooManyImports(answer)) {
    return new DeliveryError('THROTTLED', message, { retryable: true, retryAfterMs: THROTTLED_MS })
  }
  if (status === 429) return new DeliveryError('THROTTLED', message, { retryable: true, ...wait })
  if (status >= 500 || status === 408)
    return new DeliveryError('UNAVAILABLE', message, { retryable: true, ...wait })
  if (status === 401 || status === 403)
    return new DeliveryError('REFUSED_LOGIN', message, { retryable: false })
  const isNoApi = status < 400 && get(body, 'success') === undefined
  if (isNoApi || status === 404) {
    return new DeliveryError('BAD_SETTINGS', `${message} Check the hostname.`, { retryable: false })
  }
  return new DeliveryError('REFUSED_WRITE', message, { retryable: false })
}

/** Too many imports are told as a bad request, whose reasons are texts. */
function isTooManyImports({ status, body }: Answer): boolean {
  const words = [get(body, 'message'), ...itemsOf(get(body, 'failureReasons'))].filter(isText).join(' ')
  return status === 400 && /rate limit|per minute/i.test(words)
}

/** The value under a key, whatever its case and blanks; undefined where there is none. */
export function get(body: unknown, key: string): unknown {
  if (typeof body !== 'object' || body === null) return undefined
  const wanted = key.toLowerCase()
  return Object.entries(body).find(([name]) => name.replace(/\s/g, '').toLowerCase() === wanted)?.[1]
}

export const itemsOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
export const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

function plain(words: string): string {
  return oneLine(words.replace(/[^\s"'<>()]+@[^\s"'<>()]+/g, '[e-mail]'), MAX_WORDS)
}
