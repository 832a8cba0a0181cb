// A destination that takes people in requests, both ends: an HTTP server that keeps contacts, and its driver. It takes
// a few contacts at a time, refuses those without an @, deals with them at once or later, and fails when told to.
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { z } from 'zod'
import { httpUrl } from '../../src/config.ts'
import {
  DeliveryError,
  type DeliveryTarget,
  type Driver,
  type OpenAccount,
  type ProfileDelivery,
  type SentProfile,
} from '../../src/destinations/driver.ts'

export const MAX_CONTACTS = 5

interface Contact {
  email: string
  name: unknown
}
export interface Fault {
  status: number
  retryAfterSeconds?: number
}
export interface ContactApi {
  url: string
  key: string
  /** By e-mail; how often each was taken. */
  contacts: Map<string, number>
  /** The bodies of all requests that brought contacts, those that failed included. */
  requests: string[]
  /** Answers to the next requests that bring contacts. */
  faults: Fault[]
  /** Its words for those that it refuses. */
  why: string
  /** Takes contacts, and answers later. */
  isSlow: boolean
  /** How often it says that it is not done yet. */
  waits: number
  /** Reads requests, and never answers them. */
  isSilent: boolean
  /** From now on, everything that was taken is done. */
  settleNow(): void
  /** Called for every request that brings contacts, before it is answered. */
  onRequest: () => void
  close(): Promise<void>
}

export async function contactApi(key = 'k-3cf1'): Promise<ContactApi> {
  const imports: { refused: string[]; waits: number }[] = []
  const api: ContactApi = {
    url: '',
    key,
    contacts: new Map(),
    requests: [],
    faults: [],
    why: 'EMAIL is no address',
    isSlow: false,
    waits: 0,
    isSilent: false,
    settleNow: () => {
      for (const one of imports) one.waits = 0
    },
    onRequest: () => {},
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  const take = async (request: http.IncomingMessage): Promise<Answer> => {
    const contacts = (await json(request)) as Contact[]
    api.requests.push(JSON.stringify(contacts))
    api.onRequest()
    if (api.isSilent) return null
    const fault = api.faults.shift()
    if (fault && fault.status !== 200)
      return [fault.status, { error: `says no to ${key}` }, fault.retryAfterSeconds]
    if (contacts.length > MAX_CONTACTS) return [413, { error: `at most ${MAX_CONTACTS} contacts` }]
    const refused = contacts.filter(({ email }) => !email.includes('@')).map(({ email }) => email)
    for (const { email } of contacts) {
      if (!refused.includes(email)) api.contacts.set(email, (api.contacts.get(email) ?? 0) + 1)
    }
    if (!api.isSlow) return [200, { refused, why: api.why }]
    imports.push({ refused, waits: api.waits })
    return [202, { import: imports.length - 1 }]
  }
  const outcome = (id: number): Answer => {
    const found = imports[id]
    if (!found) return [404, { error: 'no such import' }]
    found.waits -= 1
    return [200, found.waits >= 0 ? { done: false } : { done: true, refused: found.refused, why: api.why }]
  }
  const answer = async (request: http.IncomingMessage): Promise<Answer> => {
    if (request.headers['api-key'] !== api.key) return [401, { error: 'who are you?' }]
    if (request.method === 'POST') return take(request)
    return request.url === '/' ? [204, {}] : outcome(Number(request.url?.slice(1)))
  }
  const server = http.createServer((request, response) => {
    answer(request).then(
      (answered) => {
        if (!answered) return
        const [status, body, retryAfter] = answered
        const headers = retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }
        response.writeHead(status, headers).end(status === 204 ? undefined : JSON.stringify(body))
      },
      () => response.destroy(),
    )
  })
  server.keepAliveTimeout = 0
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  api.url = httpUrl('127.0.0.1', (server.address() as AddressInfo).port)
  return api
}
type Answer = [status: number, body: object, retryAfter?: number | undefined] | null

export const contactApiDriver: Driver = {
  type: 'CONTACT_API',
  title: 'Contacts over HTTP',
  delivery: 'API',
  allowsAdHoc: true,
  account: {
    settings: z.strictObject({ url: z.url() }),
    secrets: z.strictObject({ key: z.string().min(1) }),
    async verify(account, signal) {
      await call(account, '/', { signal })
      return {}
    },
  },
  settings: z.strictObject({}),
  fields: [
    { name: 'EMAIL', title: 'E-mail', required: true },
    { name: 'NAME', title: 'Name', required: false },
  ],
  deliverProfiles: async (target) => delivery(target),
}

interface Refusals {
  refused?: string[]
  why?: string
}

function delivery({ account, fields, signal, pace }: DeliveryTarget): ProfileDelivery {
  if (!account) throw new Error('it is given an account')
  const place = (name: string) => fields.findIndex(({ target }) => target === name)
  const [email, name] = [place('EMAIL'), place('NAME')]
  const emailOf = ({ values }: SentProfile) => String(values[email])
  const refusals = ({ refused = [], why = '' }: Refusals, profiles: readonly SentProfile[]) =>
    profiles
      .filter((profile) => refused.includes(emailOf(profile)))
      .map(({ profileId }) => ({ profileId, detail: why }))
  return {
    maxProfiles: MAX_CONTACTS,
    async send(profiles) {
      await pace({ name: 'contacts', requests: 1_000, perMs: 1_000 })
      const contacts = profiles.map((profile) => ({ email: emailOf(profile), name: profile.values[name] }))
      const body = JSON.stringify(contacts)
      const response = await call(account, '/', { method: 'POST', body, signal })
      const answer = (await response.json()) as Refusals & { import?: number }
      const pending = answer.import === undefined ? null : { import: answer.import }
      const refused = refusals(answer, profiles)
      return { taken: profiles.length, refused, pending, bytes: Buffer.byteLength(body) }
    },
    async settle(receipt, profiles) {
      const response = await call(account, `/${receipt.import}`, { signal })
      const answer = (await response.json()) as Refusals & { done: boolean }
      if (!answer.done) return null
      return answer.refused?.length ? refusals(answer, await profiles()) : []
    },
  }
}

async function call(account: OpenAccount, path: string, init: RequestInit): Promise<Response> {
  const headers = { 'api-key': String(account.secrets.key) }
  const response = await fetch(`${account.settings.url}${path}`, { ...init, headers }).catch((cause) => {
    if (init.signal?.aborted) throw init.signal.reason
    throw new DeliveryError('UNAVAILABLE', 'The API cannot be reached.', { retryable: true, cause })
  })
  if (response.ok) return response
  const { status } = response
  const words = `The API answered ${status}: ${await response.text()}`
  if (status === 401) throw new DeliveryError('REFUSED_LOGIN', words, { retryable: false })
  if (status === 429) {
    const retryAfterMs = Number(response.headers.get('retry-after')) * 1000
    throw new DeliveryError('THROTTLED', words, { retryable: true, retryAfterMs })
  }
  if (status >= 500) throw new DeliveryError('UNAVAILABLE', words, { retryable: true })
  throw new DeliveryError('REFUSED_WRITE', words, { retryable: false })
}
