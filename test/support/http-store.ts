// A destination that needs an account, both ends: an HTTP server that keeps files behind a password, and its driver.
import { createHash } from 'node:crypto'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer, text } from 'node:stream/consumers'
import { z } from 'zod'
import { httpUrl } from '../../src/config.ts'
import {
  DeliveryError,
  type DeliveryTarget,
  type Driver,
  type FileDelivery,
  type OpenAccount,
  type PartWriter,
} from '../../src/destinations/driver.ts'

export interface HttpStore {
  url: string
  user: string
  /** May be changed, as an administrator of the other side would. */
  password: string
  files: Map<string, Buffer>
  /** Awaited before a file is taken; may be set. */
  beforePut: (count: number) => Promise<void>
  close(): Promise<void>
}

/** PUT, GET, MOVE and DELETE of whole files, for one user. Its refusals repeat the password they were sent. */
export async function httpStore(user: string, password: string): Promise<HttpStore> {
  const files = new Map<string, Buffer>()
  const store: HttpStore = { url: '', user, password, files, beforePut: async () => {}, close }
  let puts = 0
  const server = http.createServer((request, response) => {
    if (request.method === 'PUT') puts += 1
    const ready = request.method === 'PUT' ? store.beforePut(puts) : null
    Promise.resolve(ready)
      .then(() => answer(store, request))
      .then(
        ([status, body]) => response.writeHead(status).end(body),
        () => response.destroy(), // the sender went away in the middle of a file
      )
  })
  // Never the first to hang up: a client would find the connection cut when it comes back.
  server.keepAliveTimeout = 0
  async function close() {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  store.url = httpUrl('127.0.0.1', (server.address() as AddressInfo).port)
  return store
}

async function answer(
  store: HttpStore,
  request: http.IncomingMessage,
): Promise<[number, (string | Buffer)?]> {
  const { files } = store
  const [, sent = ''] = (request.headers.authorization ?? '').split(' ')
  const [user, password] = Buffer.from(sent, 'base64').toString().split(':')
  if (user !== store.user || password !== store.password) {
    return [401, `${user} may not come in\r\nwith the password ${password}`]
  }
  const name = decodeURIComponent((request.url ?? '').slice(1))
  const found = files.get(name)
  switch (request.method) {
    case 'OPTIONS':
      return [204]
    case 'PUT':
      files.set(name, await buffer(request))
      return [201]
    case 'DELETE':
      return [files.delete(name) ? 204 : 404]
    case 'MOVE': {
      const target = await text(request)
      if (!found) return [404]
      if (request.headers.overwrite === 'F' && files.has(target)) return [412]
      files.set(target, found)
      files.delete(name)
      return [204]
    }
    default:
      if (name === '') return [200, JSON.stringify([...files.keys()])]
      return found ? [200, found] : [404]
  }
}

interface Login {
  url: string
  user: string
  password: string
}
const loginOf = ({ settings, secrets }: OpenAccount) => ({ ...settings, ...secrets }) as unknown as Login
const headers = ({ user, password }: Login) => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
})

export const httpStoreDriver: Driver = {
  type: 'HTTP_STORE',
  title: 'Files over HTTP',
  delivery: 'FILE',
  allowsAdHoc: true,
  account: {
    settings: z.strictObject({
      url: z.url({ protocol: /^https?$/, hostname: /./ }).meta({
        title: 'URL',
        description: 'Where the server is.',
        examples: ['https://files.example.com'],
      }),
      user: z
        .string()
        .min(1)
        .meta({ title: 'User', description: 'The name of the user to log in as.', examples: ['acme'] }),
    }),
    secrets: z.strictObject({
      password: z
        .string()
        .min(1)
        .meta({ title: 'Password', description: "The user's password.", examples: ['correct horse'] }),
    }),
    async verify(account, signal) {
      await call(loginOf(account), 'OPTIONS', '', { signal })
      return {}
    },
  },
  settings: z.strictObject({
    folder: z
      .string()
      .min(1)
      .meta({ title: 'Folder', description: 'The folder on the server.', examples: ['in'] }),
  }),
  fields: [],
  deliverFiles: async (target) => delivery(target),
}

function delivery({ runId, fence, settings, account, signal }: DeliveryTarget): FileDelivery {
  if (!account) throw new Error('it is given an account')
  const login = loginOf(account)
  const final = (name: string) => `${settings.folder}/${name}`
  const temporary = (name: string, fence: number) => `${settings.folder}/.${runId}-${fence}-${name}.part`
  const ask = (method: string, name: string, more: RequestInit & { passes?: number[] } = {}) =>
    call(login, method, name, { signal, ...more })
  const read = async (name: string) => {
    const response = await ask('GET', name, { passes: [404] })
    return response.status === 404 ? null : Buffer.from(await response.arrayBuffer())
  }
  return {
    exists: async (name) => (await read(final(name))) !== null,
    openPart: async (name) => upload(login, temporary(name, fence), signal),
    hasPart: async (part) => (await read(temporary(part.name, part.fence)))?.length === part.bytes,
    async publish(part, { replace }) {
      const { name, sha256 } = part
      const more = { body: final(name), headers: { overwrite: replace ? 'T' : 'F' }, passes: [404, 412] }
      const { status } = await ask('MOVE', temporary(name, part.fence), more)
      if (status === 204) return final(name)
      const there = await read(final(name))
      if (there && createHash('sha256').update(there).digest('hex') === sha256) return final(name)
      throw new DeliveryError('NAME_TAKEN', `${name} exists already.`, { retryable: true })
    },
    async putFile(name, content) {
      await ask('PUT', final(name), { body: Buffer.from(content) })
      return final(name)
    },
    async discard(_, keep) {
      const kept = new Set(keep.map((part) => temporary(part.name, part.fence)))
      const all: string[] = await (await ask('GET', '')).json()
      const mine = all.filter((name) => name.startsWith(`${settings.folder}/.${runId}-`) && !kept.has(name))
      for (const name of mine) await ask('DELETE', name, { passes: [404] })
    },
  }
}

async function call(
  login: Login,
  method: string,
  name: string,
  { passes = [], ...init }: RequestInit & { passes?: number[] },
): Promise<Response> {
  const all = { ...headers(login), ...(init.headers as Record<string, string>) }
  const url = `${login.url}/${encodeURIComponent(name)}`
  const response = await fetch(url, { ...init, method, headers: all }).catch((cause) => {
    throw new DeliveryError('UNAVAILABLE', `${login.url} cannot be reached.`, { retryable: true, cause })
  })
  if (response.ok || passes.includes(response.status)) return response
  throw refused(response.status, await response.text())
}

function upload(login: Login, name: string, signal: AbortSignal): PartWriter {
  const url = `${login.url}/${encodeURIComponent(name)}`
  const request = http.request(url, { method: 'PUT', headers: headers(login), signal })
  const answered = new Promise<http.IncomingMessage>((resolve, reject) => {
    request.on('response', resolve).on('error', reject)
  })
  answered.catch(() => {}) // whoever writes or finishes is told
  return {
    write: (chunk) =>
      new Promise((resolve, reject) => request.write(chunk, (error) => (error ? reject(error) : resolve()))),
    async finish() {
      request.end()
      const response = await answered
      const body = await text(response)
      if (response.statusCode !== 201) throw refused(response.statusCode ?? 0, body)
      return null
    },
    async abort() {
      request.destroy()
    },
  }
}

function refused(status: number, body: string): DeliveryError {
  const code = status === 401 ? 'REFUSED_LOGIN' : 'REFUSED_WRITE'
  return new DeliveryError(code, `The server answered ${status}: ${body}`, { retryable: false })
}
