// Requests to ActiveCampaign's API v3, none too early.
import { beginningOf } from '../answer-text.ts'
import { DeliveryError, type DeliveryTarget, type OpenAccount, type PaceBudget } from '../driver.ts'
import type { Outbound } from '../outbound.ts'
import { retryAfterMs } from '../retry-after.ts'
import type { Answer } from './answer.ts'
import { originOf } from './hostname.ts'

export interface Login {
  hostname: string
  apiKey: string
}
export const loginOf = ({ settings, secrets }: OpenAccount) =>
  ({ ...settings, ...secrets }) as unknown as Login

// The limits of an account, whoever asks.
const REQUESTS: PaceBudget = { name: 'requests', requests: 5, perMs: 1_000 }
const IMPORTS: PaceBudget = { name: 'imports', requests: 100, perMs: 60_000 }
const SINGLE_IMPORTS: PaceBudget = { name: 'imports of one contact', requests: 20, perMs: 60_000 }
/** Fewer than all: there is always room for an import. */
const QUESTIONS: PaceBudget = { name: 'questions', requests: 3, perMs: 1_000 }

const ANSWER_MS = 30_000
/** A page of a hundred lists is about 100 KB. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024

export interface Api {
  ask(path: string): Promise<Answer>
  /** @param count how many contacts the body has */
  import(body: string, count: number): Promise<Answer>
}

export function activeCampaignApi(options: {
  outbound: Outbound
  login: Login
  pace: DeliveryTarget['pace']
  signal: AbortSignal
}): Api {
  const { outbound, login, pace, signal } = options
  const origin = originOf(login.hostname, outbound)
  if (origin === null) {
    const message = `${login.hostname} is no host of ActiveCampaign's. Correct the account's hostname.`
    throw new DeliveryError('BAD_SETTINGS', message, { retryable: false })
  }

  /** @throws DeliveryError UNAVAILABLE where no answer comes; any answer is one */
  async function call(path: string, init: RequestInit): Promise<Answer> {
    const inTime = AbortSignal.timeout(ANSWER_MS)
    try {
      const response = await outbound.fetch(`${origin}/api/3${path}`, {
        ...init,
        headers: { 'api-token': login.apiKey, accept: 'application/json', ...init.headers },
        redirect: 'manual',
        signal: AbortSignal.any([signal, inTime]),
      })
      const text = await beginningOf(response, MAX_ANSWER_BYTES)
      const { status, headers } = response
      return { status, body: parsed(text), retryAfterMs: retryAfterMs(headers.get('retry-after')) }
    } catch (cause) {
      signal.throwIfAborted()
      if (cause instanceof DeliveryError) throw cause
      const why = inTime.aborted ? 'did not answer in time' : 'cannot be reached, or cut the connection'
      throw new DeliveryError('UNAVAILABLE', `${login.hostname} ${why}.`, { retryable: true, cause })
    }
  }

  return {
    async ask(path) {
      await pace(REQUESTS, QUESTIONS)
      return call(path, { method: 'GET' })
    },
    async import(body, count) {
      await pace(REQUESTS, IMPORTS, ...(count === 1 ? [SINGLE_IMPORTS] : []))
      return call('/import/bulk_import', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      })
    },
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null // a page for people, from something in between
  }
}
