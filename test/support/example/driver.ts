import { z } from 'zod'
import { beginningOf } from '../../../src/destinations/answer-text.ts'
import { DeliveryError, type Driver, type OpenAccount } from '../../../src/destinations/driver.ts'
import type { Outbound } from '../../../src/destinations/outbound.ts'
import { networkError } from '../../../src/destinations/outbound-error.ts'
import { retryAfterMs } from '../../../src/destinations/retry-after.ts'
import { oneLine } from '../../../src/domain/text.ts'

/** Sends people to an API that takes five of them in a request. */
export function example({ outbound }: { outbound: Outbound }): Driver {
  return {
    type: 'EXAMPLE',
    title: 'People over HTTP',
    delivery: 'API',
    allowsAdHoc: true,
    account: {
      settings: z.strictObject({
        url: z
          .string()
          .refine((url) => outbound.refusalOf(url) === null, 'url is an address that starts with https://.')
          .meta({ title: 'URL', description: 'Where the API is.', examples: ['https://api.example.com'] }),
      }),
      secrets: z.strictObject({
        apiKey: z
          .string()
          .regex(/^[\x21-\x7e]{1,100}$/, 'apiKey has no white space, and at most 100 characters.')
          .meta({ title: 'API key', description: 'The key of the API.', examples: ['k-3cf1'] }),
      }),
      async verify(account, signal) {
        await call(account, { signal })
        return {} // or what people choose from: it is kept, and shown
      },
    },
    settings: z.strictObject({}),
    fields: [
      { name: 'EMAIL', title: 'E-mail', required: true },
      { name: 'NAME', title: 'Name', required: false },
    ],
    async deliverProfiles({ account, fields, signal, pace }) {
      if (!account) throw new Error('it is given an account')
      const at = (name: string) => fields.findIndex(({ target }) => target === name)
      return {
        maxProfiles: 5,
        async send(profiles) {
          await pace({ name: 'requests', requests: 10, perMs: 1_000 })
          const people = profiles.map(({ values }) => ({
            email: values[at('EMAIL')],
            name: values[at('NAME')],
          }))
          const body = JSON.stringify(people)
          const answer = await call(account, { method: 'POST', body, signal })
          const no = new Set((JSON.parse(answer) as { refused: unknown[] }).refused)
          const refused = profiles
            .filter((_, index) => no.has(people[index]?.email))
            .map(({ profileId }) => ({ profileId, detail: 'EMAIL is no address.' }))
          return { taken: profiles.length, refused, pending: null, bytes: Buffer.byteLength(body) }
        },
        settle: async () => [], // an answer is final
      }
    },
  }

  /** @throws DeliveryError: its code and `retryable` decide whether the run is tried again */
  async function call({ settings, secrets }: OpenAccount, init: RequestInit): Promise<string> {
    const headers = { 'api-key': String(secrets.apiKey) }
    try {
      const response = await outbound.fetch(String(settings.url), { ...init, headers })
      const text = await beginningOf(response, 10_000)
      if (response.ok) return text
      throw failure(response, `The API answered ${response.status}: ${oneLine(text, 300)}`)
    } catch (error) {
      throw networkError(error, 'The API') ?? error
    }
  }
}

function failure({ status, headers }: Response, words: string): DeliveryError {
  const wait = retryAfterMs(headers.get('retry-after'))
  const later = { retryable: true, ...(wait !== null && { retryAfterMs: wait }) }
  if (status === 429) return new DeliveryError('THROTTLED', words, later)
  if (status >= 500) return new DeliveryError('UNAVAILABLE', words, later)
  const code = status === 401 ? 'REFUSED_LOGIN' : 'REFUSED_WRITE'
  return new DeliveryError(code, words, { retryable: false })
}
