// ActiveCampaign's API v3 as far as imports need it, over real HTTP, and as strict as it is known to be: a request too
// many is refused, a bad contact refuses its whole batch, a key in the wrong case is ignored, ids are texts, and success
// is spelt in two ways.
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { type AccountData, accountData } from './account.ts'
import { type Answer, type Importer, importer } from './imports.ts'
import { slidingWindow } from './window.ts'

/** What happens to a request instead of what should. */
export type Fault =
  | { status: number; headers?: Record<string, string>; body?: unknown }
  /** The connection is cut while the request is read. */
  | 'CUT_BEFORE'
  /** The request is carried out, and the answer is lost. */
  | 'CUT_AFTER'
  /** Half of an import is carried out, then 500. */
  | 'HALF_THEN_500'
  /** No answer ever comes. */
  | 'SILENCE'

export interface ActiveCampaign {
  /** With the port, and no scheme. */
  hostname: string
  apiKey: string
  data: AccountData
  imports: Importer
  /** Lets the next requests whose path matches fail, each in its way. */
  failNext(path: RegExp, ...faults: Fault[]): void
  /** From now on it reads requests and answers none. */
  isSilent: boolean
  /** How many it did not answer. */
  silenced: number
  /** How often it answered with this status, by `METHOD path STATUS`; ids in paths are `:id`. */
  counts: Map<string, number>
  close(): Promise<void>
}

const IMPORT = '/api/3/import/bulk_import'

/** @param now its clock, in milliseconds */
export async function activeCampaign({
  apiKey = 'ac-key-0123456789',
  now = Date.now,
  port = 0,
} = {}): Promise<ActiveCampaign> {
  const data = accountData()
  const counts = new Map<string, number>()
  const faults: { path: RegExp; fault: Fault }[] = []
  const emulator: ActiveCampaign = {
    hostname: '',
    apiKey,
    data,
    imports: importer(data, now),
    counts,
    isSilent: false,
    silenced: 0,
    failNext: (path, ...all) => void faults.push(...all.map((fault) => ({ path, fault }))),
    close,
  }
  const perSecond = slidingWindow(5, 1_000)

  async function answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://activecampaign')
    const found = faults.findIndex(({ path }) => path.test(url.pathname))
    const fault = found < 0 ? null : (faults.splice(found, 1)[0]?.fault ?? null)
    if (fault === 'CUT_BEFORE') return void request.socket.destroy()
    const raw = await buffer(request)
    if (url.pathname === IMPORT && request.method === 'POST') emulator.imports.seen(raw)
    if (fault === 'SILENCE' || emulator.isSilent) {
      emulator.silenced += 1
      return
    }
    const send = ([status, body]: Answer, headers: Record<string, string> = {}) => {
      const name = `${request.method} ${url.pathname.replace(/\d+$/, ':id')} ${status}`
      counts.set(name, (counts.get(name) ?? 0) + 1)
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
    }
    if (request.headers['api-token'] !== emulator.apiKey) return send([403, { message: 'Invalid API token' }])
    const waitMs = perSecond.waitMs(now())
    if (waitMs === 0) perSecond.take(now())
    const limits = { 'RateLimit-Limit': '5', 'RateLimit-Remaining': String(perSecond.remaining()) }
    if (waitMs > 0) return send([429, {}], { ...limits, 'Retry-After': String(Math.ceil(waitMs / 1_000)) })
    if (typeof fault === 'object' && fault)
      return send([fault.status, fault.body ?? {}], { ...limits, ...fault.headers })
    if (fault === 'HALF_THEN_500') {
      emulator.imports.takeHalf(raw)
      return send([500, {}], limits)
    }
    const given = route(emulator, {
      method: request.method ?? '',
      url,
      raw,
      type: request.headers['content-type'],
    })
    if (fault === 'CUT_AFTER') return void request.socket.destroy()
    send(given, limits)
  }

  const server = http.createServer((request, response) => {
    answer(request, response).catch(() => response.destroy()) // the sender went away in the middle
  })
  server.keepAliveTimeout = 0
  async function close() {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  emulator.hostname = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return emulator
}

interface Asked {
  method: string
  url: URL
  raw: Buffer
  type: string | undefined
}

function route({ data, imports }: ActiveCampaign, { method, url, raw, type }: Asked): Answer {
  const [, path = null] = /^\/api\/3(\/.*)$/.exec(url.pathname) ?? []
  const [, listId] = /^\/lists\/(\d+)$/.exec(path ?? '') ?? []
  if (method === 'POST' && path === '/import/bulk_import') {
    return type?.startsWith('application/json') ? imports.post(raw) : [400, {}]
  }
  if (method !== 'GET') return [path === null ? 404 : 405, {}]
  if (path === '/users/me') return [200, { user: { ...data.user, phone: '', signature: null, links: {} } }]
  if (path === '/lists') return [200, page('lists', data.lists.map(wholeList), url)]
  if (path === '/fields')
    return [200, { fieldOptions: [], fieldRels: [], ...page('fields', data.fields, url) }]
  if (path === '/import/info') return imports.info(url.searchParams.get('batchId'))
  if (listId) {
    const list = data.lists.find(({ id }) => id === listId)
    return list
      ? [200, { list: wholeList(list) }]
      : [404, { message: `No Result found for _List with id ${listId}` }]
  }
  return [404, {}]
}

const wholeList = (list: { id: string; name: string }) => ({
  stringid: list.name.toLowerCase(),
  userid: '1',
  cdate: '2026-01-01T00:00:00-06:00',
  ...list,
  links: {},
  user: '1',
})

function page(name: string, all: readonly object[], { searchParams }: URL) {
  const limit = Math.min(Number(searchParams.get('limit') ?? 20), 100)
  const offset = Number(searchParams.get('offset') ?? 0)
  return { [name]: all.slice(offset, offset + limit), meta: { total: String(all.length) } }
}
