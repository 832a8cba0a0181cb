// One signed message to an endpoint after the scheme of Standard Webhooks, and what the answer means.
import { oneLine } from '../domain/text.ts'
import { beginningOf } from './answer-text.ts'
import { DeliveryError } from './driver.ts'
import type { Outbound } from './outbound.ts'
import { noAnswer } from './outbound-error.ts'
import { retryAfterMs } from './retry-after.ts'
import { signedHeaders } from './webhook-signature.ts'
import { withoutValues } from './without-values.ts'

const ANSWER_BYTES = 4 * 1024
const MAX_WORDS = 300

export interface Endpoint {
  url: string
  secret: string
  previousSecret?: string
  bearerToken?: string
}
export interface Message {
  /** The same in every repetition, and of no other message: by it a receiver knows one. */
  id: string
  body: string
}

export interface PostContext {
  endpoint: Endpoint
  outbound: Outbound
  /** How long an answer may take. */
  answerMs: number
  signal: AbortSignal
  /** What of the message nobody may read in an error. */
  values?: () => unknown[]
}

/**
 * Resolves with the status when the endpoint has taken the message.
 * @throws DeliveryError in the endpoint's words, the signal's reason when it aborts
 */
export async function post(message: Message, context: PostContext): Promise<number> {
  const { endpoint, outbound, answerMs, signal, values = () => [] } = context
  const { url, secret, previousSecret, bearerToken } = endpoint
  const secrets = previousSecret ? [secret, previousSecret] : [secret]
  const inTime = AbortSignal.timeout(answerMs)
  try {
    const response = await outbound.fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'activation-gateway',
        ...(bearerToken && { authorization: `Bearer ${bearerToken}` }),
        ...signedHeaders({ ...message, at: new Date() }, secrets),
      },
      body: message.body,
      redirect: 'manual',
      signal: AbortSignal.any([signal, inTime]),
    })
    // Nothing of an answer that breaks off: the status says what counts.
    const answer = await beginningOf(response, ANSWER_BYTES).catch(() => '')
    if (response.ok) return response.status
    throw failureOf(response, oneLine(withoutValues(answer, values()), MAX_WORDS))
  } catch (error) {
    signal.throwIfAborted()
    if (!inTime.aborted) throw error
    throw noAnswer('The endpoint', answerMs)
  }
}

function failureOf(response: Response, words: string): DeliveryError {
  const { status, headers } = response
  const message = `The endpoint answered ${status}${words && `: ${words}`}`
  const wait = retryAfterMs(headers.get('retry-after'))
  const later = { retryable: true, ...(wait !== null && { retryAfterMs: wait }) }
  if (status === 429) return new DeliveryError('THROTTLED', message, later)
  if (status >= 500 || status === 408 || status === 425)
    return new DeliveryError('UNAVAILABLE', message, later)
  const final = { retryable: false }
  if (status === 401 || status === 403) return new DeliveryError('REFUSED_LOGIN', message, final)
  if (status === 410) {
    const gone = 'The endpoint answered 410: it wants no more messages. Remove it here, or correct the URL.'
    return new DeliveryError('REFUSED_WRITE', gone, final)
  }
  if (status >= 400) return new DeliveryError('REFUSED_WRITE', message, final)
  const redirect = `The endpoint answered ${status}, and redirects are not followed. Enter the URL that it leads to.`
  return new DeliveryError('BAD_SETTINGS', redirect, final)
}

/** What is sent to see whether an endpoint takes messages: nothing is to be done for it. */
export function testMessage(id: string, at: Date): Message {
  return {
    id: `test_${id}`,
    body: JSON.stringify({ type: 'endpoint.tested', timestamp: at.toISOString(), data: {} }),
  }
}
