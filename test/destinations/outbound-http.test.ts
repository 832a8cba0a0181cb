import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createOutbound } from '../../src/destinations/outbound.ts'
import { type NameServer, nameServer } from '../support/name-server.ts'

let names: NameServer
let server: http.Server
let port: number
/** `METHOD host path body` of what came in. */
let seen: string[]
let sockets: Set<unknown>
beforeEach(async () => {
  names = await nameServer()
  names.answers.set('a.example.com', [['127.0.0.1']])
  names.answers.set('b.example.com', [['127.0.0.1']])
  seen = []
  sockets = new Set()
  server = http.createServer(async (request, response) => {
    sockets.add(request.socket)
    seen.push(`${request.method} ${request.headers.host} ${request.url} ${await text(request)}`)
    const to = new URL(request.url ?? '', 'http://x').searchParams.get('to')
    if (request.url === '/never') return
    if (to) response.writeHead(307, { location: to }).end()
    else response.end('hello')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await names.close()
})

const outbound = (...allow: string[]) => createOutbound({ allow, lookup: names.lookup })
const get = (agent: http.Agent, url: string, options: http.RequestOptions = {}) =>
  new Promise<string>((resolve, reject) => {
    http.get(url, { agent, ...options }, (response) => resolve(text(response))).on('error', reject)
  })

describe('the agent', () => {
  it('reaches what is allowed by plain HTTP', async () => {
    expect(await get(outbound('http://127.0.0.1').httpAgent, `http://a.example.com:${port}/x`)).toBe('hello')
    expect(seen).toEqual([`GET a.example.com:${port} /x `])
  })

  it.each(['127.0.0.1', '[::ffff:127.0.0.1]', '0x7f.1', '169.254.169.254', 'a.example.com'])(
    'does not reach %s unless it is allowed',
    async (host) => {
      const error = get(outbound('*', 'http://*').httpAgent, `http://${host}:${port}/`)
      await expect(error).rejects.toMatchObject({ code: 'REFUSED_ADDRESS', retryable: false })
      expect(seen).toEqual([])
    },
  )

  it('does not speak plain HTTP where only https is allowed', async () => {
    const error = get(outbound('127.0.0.1').httpAgent, `http://127.0.0.1:${port}/`)
    await expect(error).rejects.toMatchObject({
      code: 'REFUSED_ADDRESS',
      message: expect.stringContaining(`OUTBOUND_ALLOW=http://127.0.0.1:${port}`),
    })
  })

  it('uses a connection again, and never for another host', async () => {
    const { httpAgent } = outbound('http://a.example.com', 'http://b.example.com')
    for (const host of ['a', 'a', 'b', 'a', 'b']) await get(httpAgent, `http://${host}.example.com:${port}/`)
    expect(sockets.size).toBe(2)
  })

  it('leaves nothing open when a request is given up', async () => {
    const { httpAgent } = outbound('http://127.0.0.1')
    const controller = new AbortController()
    const asked = get(httpAgent, `http://127.0.0.1:${port}/never`, { signal: controller.signal })
    await expect.poll(() => seen).toHaveLength(1)
    controller.abort()
    await expect(asked).rejects.toMatchObject({ name: 'AbortError' })
    await expect.poll(() => open()).toBe(0)
  })
})

const open = () => new Promise((resolve) => server.getConnections((_, count) => resolve(count)))

describe('fetch', () => {
  it('reaches what is allowed', async () => {
    const { fetch } = outbound('http://127.0.0.1')
    const response = await fetch(`http://a.example.com:${port}/x`, { method: 'POST', body: 'ping' })
    expect([response.status, await response.text()]).toEqual([200, 'hello'])
    const request = new Request(`http://a.example.com:${port}/y`, { method: 'PUT', body: 'pong' })
    expect((await fetch(request)).status).toBe(200)
    expect(seen).toEqual([`POST a.example.com:${port} /x ping`, `PUT a.example.com:${port} /y pong`])
  })

  it.each(['127.0.0.1', '[::ffff:127.0.0.1]', '0x7f.1', '169.254.169.254', 'a.example.com'])(
    'does not reach %s unless it is allowed',
    async (host) => {
      const error = outbound('*', 'http://*').fetch(`http://${host}:${port}/`)
      await expect(error).rejects.toMatchObject({ code: 'REFUSED_ADDRESS', retryable: false })
      expect(seen).toEqual([])
    },
  )

  it('looks the name up again for a new connection, and checks it again', async () => {
    names.answers.set('rebound.example.com', [['127.0.0.1'], ['127.0.0.2']])
    const url = `http://rebound.example.com:${port}/`
    const { fetch } = outbound('http://127.0.0.1')
    expect(await (await fetch(url)).text()).toBe('hello')
    server.closeAllConnections()
    await expect.poll(() => fetch(url).catch((error) => error.code)).toBe('REFUSED_ADDRESS')
    expect(seen).toHaveLength(1)
  })

  it('follows a redirect on the same host', async () => {
    const { fetch } = outbound('http://127.0.0.1')
    const response = await fetch(`http://a.example.com:${port}/?to=/x`, { method: 'POST', body: 'ping' })
    expect(await response.text()).toBe('hello')
    expect(seen[1]).toBe(`POST a.example.com:${port} /x ping`)
  })

  it.each([
    'http://127.0.0.1:PORT/',
    'http://b.example.com:PORT/',
    '//b.example.com:PORT/',
    'http://a.example.com/',
    'https://a.example.com:PORT/',
  ])('does not follow one to %s', async (to) => {
    const { fetch } = outbound('http://127.0.0.1')
    const location = to.replace('PORT', `${port}`)
    const error = fetch(`http://a.example.com:${port}/?to=${encodeURIComponent(location)}`)
    await expect(error).rejects.toMatchObject({ code: 'REFUSED_ADDRESS', retryable: false })
    expect(seen).toHaveLength(1)
  })

  it('says what is wrong with an answer that is none', async () => {
    const { fetch } = outbound('http://127.0.0.1')
    const asked = fetch(`http://a.example.com:${port}/?to=${encodeURIComponent('gopher://x')}`)
    await expect(asked).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('did not answer as it should'),
    })
    await expect(fetch('http://127.0.0.1:1')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })

  it('takes no proxy from the environment', async () => {
    const proxy = `http://127.0.0.1:${port}`
    const set = { HTTP_PROXY: proxy, http_proxy: proxy, ALL_PROXY: proxy, NODE_USE_ENV_PROXY: '1' }
    Object.assign(process.env, set)
    try {
      const { fetch, httpAgent } = outbound('http://127.0.0.2')
      const elsewhere = `http://127.0.0.2:${port}/`
      await expect(fetch(elsewhere)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      await expect(get(httpAgent, elsewhere)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      expect(seen).toEqual([])
    } finally {
      for (const name of Object.keys(set)) delete process.env[name]
    }
  })

  it('gives the reason of an abort, and leaves nothing open', async () => {
    const controller = new AbortController()
    const { fetch } = outbound('http://127.0.0.1')
    const asked = fetch(`http://127.0.0.1:${port}/never`, { signal: controller.signal })
    await expect.poll(() => seen).toHaveLength(1)
    const reason = new Error('cancelled')
    controller.abort(reason)
    await expect(asked).rejects.toBe(reason)
    await expect.poll(() => open()).toBe(0)
  })
})
