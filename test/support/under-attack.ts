// A listening gateway under attack: after every case it must still answer a healthy query, by both ways, and nothing
// of what happened may have been a fault of its own.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { ERROR_CODES } from '../../src/graphql/error-code.ts'
import { type TestGateway, type Tree, testGateway } from './api.ts'
import { ways } from './ways.ts'

export interface Reply {
  status: number
  headers: Headers
  text: string
  /** The body read as JSON; undefined when it is none. */
  body: Tree
}
export interface UnderAttack {
  gateway: TestGateway
  url: string
  /** A request with the administrator's token, as JSON unless the headers say otherwise; '' takes a header away. */
  send(path: string, init?: RequestInit): Promise<Reply>
  /** A POST to /graphql of what is given, as JSON. */
  ask(path: string, request: unknown, headers?: Record<string, string>): Promise<Reply>
  /** Opens a connection. */
  dial(): Promise<Socket>
  /** Writes to a connection of its own, and waits until the server closes it. */
  say(text: string | Buffer): Promise<{ heard: string; seconds: number }>
}

const HEALTHY = '{ viewer { name } }'
const HEALTHY_WITHIN_MS = 2_000

/** Sets a gateway up for the tests of a file or a describe. */
export function underAttack(options: Parameters<typeof testGateway>[0] = {}): UnderAttack {
  const at = { dial, say, send, ask } as UnderAttack

  beforeAll(async () => {
    at.gateway = await testGateway(options)
    at.url = await at.gateway.serve()
  })
  afterEach(async () => {
    for (const { path } of ways) {
      const signal = AbortSignal.timeout(HEALTHY_WITHIN_MS)
      const { body } = await send(path, { body: JSON.stringify({ query: HEALTHY }), signal })
      expect(body).toMatchObject({ data: { viewer: { name: 'admin' } } })
    }
    expect(at.gateway.logged.splice(0)).toEqual([])
  })
  afterAll(() => at.gateway.dispose())

  async function send(path: string, { headers, ...init }: RequestInit = {}): Promise<Reply> {
    const all = new Headers({
      'content-type': 'application/json',
      authorization: `Bearer ${at.gateway.admin}`,
    })
    for (const [name, value] of new Headers(headers)) {
      if (value === '') all.delete(name)
      else all.set(name, value)
    }
    const response = await fetch(`${at.url}${path}`, { method: 'POST', ...init, headers: all })
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, body: parsed(text) }
  }
  function ask(path: string, request: unknown, headers: Record<string, string> = {}) {
    return send(path, { body: JSON.stringify(request), headers })
  }
  async function dial(): Promise<Socket> {
    const socket = connect(Number(new URL(at.url).port), '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'connect')
    return socket
  }
  async function say(text: string | Buffer) {
    const socket = await dial()
    let heard = ''
    socket.on('data', (data) => {
      heard += data
    })
    const started = performance.now()
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.write(text)
    await closed
    return { heard, seconds: (performance.now() - started) / 1000 }
  }
  return at
}

/** What every refusal has in common: it is the caller's, it has a code of the list, and it tells nothing of the inside. */
export function expectRefusal(
  reply: Pick<Reply, 'status' | 'text' | 'body'>,
  expected: { status?: number; codes?: string[] } = {},
) {
  expect(reply.status).toBeLessThan(500)
  if (expected.status !== undefined) expect(reply.status).toBe(expected.status)
  const errors: Tree[] = reply.body?.errors
  expect(errors?.length, reply.text.slice(0, 200)).toBeGreaterThan(0)
  expect(errors.length).toBeLessThanOrEqual(5)
  for (const { extensions } of errors) {
    expect(Object.keys(ERROR_CODES)).toContain(extensions.code)
    expect(extensions.code).not.toBe('INTERNAL_SERVER_ERROR')
    if (expected.codes) expect(expected.codes).toContain(extensions.code)
  }
  expectDiscreet(reply.text)
}

/** No stack, SQL, path or secret. */
export function expectDiscreet(text: string) {
  expect(text.length).toBeLessThan(32_768)
  expect(text).not.toMatch(
    /\bat \S+ \(|\.[tj]s:\d|node_modules|\/src\/|originalError|stacktrace|SQLITE|\bselect .* from\b|agw_/i,
  )
}

function parsed(text: string): Tree {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
