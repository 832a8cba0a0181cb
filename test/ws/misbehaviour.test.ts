// What no well-behaved client does: each time the right close code, and the next client is served.
import { once } from 'node:events'
import { setTimeout as after } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type TestGateway, testGateway } from '../support/api.ts'
import { aQueuedRun } from '../support/export-scene.ts'
import { type RawSocket, rawSocket } from '../support/raw-socket.ts'
import { happen } from '../support/run-log.ts'
import { admitted } from '../support/ws-client.ts'

let gateway: TestGateway
let url: string
beforeEach(async () => {
  gateway = await testGateway()
  url = await gateway.serve()
})
afterEach(async () => {
  const healthy = await admitted(url, gateway.admin)
  healthy.subscribe('1', '{ viewer { name } }')
  expect((await healthy.hear(({ type }) => type === 'next')).payload.data.viewer.name).toBe('admin')
  expect(gateway.logged).toEqual([])
  await gateway.dispose()
})

const TEXT = 1
const CONTINUATION = 0
const init = () => ({ type: 'connection_init', payload: { authorization: `Bearer ${gateway.admin}` } })
async function letIn(): Promise<RawSocket> {
  const raw = await rawSocket(url)
  raw.say(init())
  await once(raw.socket, 'data')
  return raw
}

describe('frames', () => {
  it('that break the protocol end in 1002, and those that are no text in 1007', async () => {
    const cases: [number, (raw: RawSocket) => void][] = [
      [1002, ({ frame }) => frame(TEXT, '{"type":"ping"}', { masked: false })],
      [1002, ({ frame }) => frame(3, 'reserved')],
      [1002, ({ frame }) => frame(CONTINUATION, 'of nothing')],
      [1002, ({ frame }) => frame(9, 'a ping in two pieces', { fin: false })],
      [1007, ({ frame }) => frame(TEXT, Buffer.from([0xff, 0xfe]))],
      [4400, ({ frame }) => frame(TEXT, 'no JSON')],
      [4400, ({ frame }) => frame(TEXT, '{"type":"unheard of"}')],
      [4400, ({ frame }) => frame(2, Buffer.from([1, 2, 3]))],
    ]
    for (const [code, misbehave] of cases) {
      const raw = await letIn()
      misbehave(raw)
      expect(await raw.closed, String(misbehave)).toBe(code)
    }
  })

  it('in more than 64 fragments end in 1008, however small they are', async () => {
    const raw = await letIn()
    raw.frame(TEXT, '{', { fin: false })
    for (let count = 0; count < 5_000; count += 1) raw.frame(CONTINUATION, '', { fin: false })
    expect(await raw.closed).toBe(1008)
  })

  it('in 64 fragments, or byte by byte, are a message like any other', async () => {
    const raw = await rawSocket(url)
    raw.socket.setNoDelay(true)
    const answered = new Promise<string>((resolve) => {
      let text = ''
      raw.socket.on('data', (chunk) => {
        text += chunk
        if (text.includes('"complete"')) resolve(text)
      })
    })
    const pieces = JSON.stringify(init()).match(/.{1,5}/g) ?? []
    for (const [index, piece] of pieces.entries()) {
      raw.frame(index === 0 ? TEXT : CONTINUATION, piece, { fin: index === pieces.length - 1 })
    }
    const payload = { query: '{ viewer { name } }' }
    const message = Buffer.from(JSON.stringify({ type: 'subscribe', id: '1', payload }))
    for (const byte of [0x81, 0x80 | message.length, 0, 0, 0, 0, ...message]) {
      raw.socket.write(Buffer.from([byte]))
      await after(0)
    }
    expect(await answered).toContain('"viewer":{"name":"admin"}')
    raw.socket.destroy()
  })

  it('that announce more than 128 KB end in 1009 before they arrive', async () => {
    const raw = await letIn()
    raw.socket.write(Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 0x98, 0x96, 0x80, 0, 0, 0, 0]))
    expect(await raw.closed).toBe(1009)
  })
})

describe('a client', () => {
  it('that asks for 10,000 streams, or pings without end, is closed', async () => {
    const runId = await aRun()
    const query = `subscription { runEvents(runId: "${runId}") { cursor } }`
    const greedy = await letIn()
    for (let id = 0; id < 10_000; id += 1)
      greedy.say({ type: 'subscribe', id: String(id), payload: { query } })
    expect(await greedy.closed).toBe(4429)
    const restless = await letIn()
    for (let count = 0; count < 10_000; count += 1) restless.frame(9, '')
    // ws itself cuts off whoever pings faster than it can be answered.
    expect([1006, 4429]).toContain(await restless.closed)
    const answering = await letIn()
    for (let count = 0; count < 10_000; count += 1) answering.frame(10, '')
    expect(await answering.closed).toBe(4429)
  })

  it('that asks much and reads nothing is cut off', async () => {
    const query = '{ __schema { types { name description fields { name description args { name } } } } }'
    const client = await admitted(url, gateway.admin)
    client.socket.pause()
    const rounds = 15
    for (let round = 0; round < rounds; round += 1) {
      for (let id = 0; id < 45; id += 1) client.subscribe(`${round}/${id}`, query)
      await after(200)
    }
    client.socket.resume()
    expect([1006, 4429]).toContain(await client.closed)
    expect(client.told.length).toBeLessThan(rounds * 45)
  })

  it('that follows a story and reads nothing is cut off at the second ping it does not answer', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    try {
      const runId = await aRun()
      const client = await admitted(url, gateway.admin)
      client.subscribe(
        '1',
        'subscription ($id: ID!) { runEvents(runId: $id) { cursor a: message b: message } }',
        {
          id: runId,
        },
      )
      await client.hear(({ type }) => type === 'next')
      client.socket.pause()
      for (let count = 0; count < 300; count += 1) {
        await happen(gateway.test, runId, 'PROGRESS', count, 'x'.repeat(10_000))
      }
      vi.advanceTimersByTime(24_000)
      client.socket.resume()
      expect(await client.closed).toBe(1006)
      expect(client.dataOf('1').length).toBeLessThan(301)
    } finally {
      vi.useRealTimers()
    }
  })

  it('whose token expires is closed with 4403 within a second or two, in the middle of a stream', async () => {
    const expiresAt = new Date(Date.now() + 1_500)
    const { secret } = await gateway.parts.services.token.create(gateway.test.session, {
      name: 'short',
      roles: ['VIEWER'],
      expiresAt,
    })
    const client = await admitted(url, secret)
    client.subscribe('1', 'subscription ($id: ID!) { runEvents(runId: $id) { cursor } }', {
      id: await aRun(),
    })
    await client.hear(({ type }) => type === 'next')
    expect(await client.closed).toBe(4403)
    expect(Date.now()).toBeGreaterThanOrEqual(expiresAt.getTime())
  })
})

async function aRun(): Promise<string> {
  const { test } = gateway
  return (await aQueuedRun(test, { id: test.ctx.newId('snapshot'), version: 1, count: 1 })).id
}
