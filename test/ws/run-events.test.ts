import { setTimeout as after } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { RunEventType } from '../../src/domain/model.ts'
import { encodeLogCursor } from '../../src/storage/log-cursor.ts'
import { type TestGateway, type Tree, testGateway } from '../support/api.ts'
import { addSandbox } from '../support/database.ts'
import { aQueuedRun } from '../support/export-scene.ts'
import { happen as happenTo } from '../support/run-log.ts'
import { admitted } from '../support/ws-client.ts'

let gateway: TestGateway
let url: string
let runId: string
beforeEach(async () => {
  gateway = await testGateway()
  url = await gateway.serve()
  runId = (await aQueuedRun(gateway.test, { id: gateway.test.ctx.newId('snapshot'), version: 1, count: 100 }))
    .id
})
afterEach(() => gateway.dispose())

const WATCH = `subscription ($runId: ID!, $after: String) {
  runEvents(runId: $runId, after: $after) {
    cursor type status progress { total received percent rowsPerSecond } run { id status lastEventCursor } at
  }
}`

const happen = (type: RunEventType, received?: number) => happenTo(gateway.test, runId, type, received)

/** Text/event-stream, as it comes. */
async function* sse(variables: object, signal: AbortSignal, query = WATCH): AsyncGenerator<string> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    signal,
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      authorization: `Bearer ${gateway.admin}`,
    },
    body: JSON.stringify({ query, variables }),
  })
  expect(response.headers.get('content-type')).toContain('text/event-stream')
  yield* response.body!.pipeThrough(new TextDecoderStream())
}
async function eventsOf(variables: object): Promise<Tree[]> {
  let text = ''
  for await (const chunk of sse(variables, AbortSignal.timeout(10_000))) text += chunk
  return [...text.matchAll(/^data: (.+)$/gm)].map(([, json]) => JSON.parse(json!).data.runEvents)
}

describe('runEvents', () => {
  it('tells the story from the beginning, then live, and ends with the terminal event', async () => {
    const client = await admitted(url, gateway.admin)
    client.subscribe('1', WATCH, { runId })
    await client.hear(({ type }) => type === 'next')
    await happen('STARTED')
    await happen('PROGRESS', 50)
    await happen('SUCCEEDED', 100)
    await client.hear(({ type }) => type === 'complete')
    const events = client.dataOf('1').map(({ runEvents }) => runEvents)
    expect(events.map(({ type }) => type)).toEqual(['QUEUED', 'STARTED', 'PROGRESS', 'SUCCEEDED'])
    expect(events.map(({ progress }) => progress.percent)).toEqual([0, 0, 50, 100])
    expect(events[2].progress.rowsPerSecond).toBeGreaterThan(0)
    expect(events.at(-1)).toMatchObject({ run: { status: 'SUCCESS', lastEventCursor: events.at(-1).cursor } })
  })

  it('goes on from any cursor, over SSE as over WebSocket, without gap or repeat', async () => {
    await happen('STARTED')
    for (let received = 10; received < 100; received += 10) await happen('PROGRESS', received)
    await happen('FAILED', 90)
    const all = await eventsOf({ runId })
    expect(all).toHaveLength(12)
    const client = await admitted(url, gateway.admin)
    for (const [index, { cursor }] of all.entries()) {
      expect(await eventsOf({ runId, after: cursor })).toEqual(all.slice(index + 1))
      const id = String(index)
      client.subscribe(id, WATCH, { runId, after: cursor })
      await client.hear((message) => message.id === id && message.type === 'complete')
      expect(client.dataOf(id).map(({ runEvents }) => runEvents)).toEqual(all.slice(index + 1))
    }
  })

  it('refuses cursors that are not of the run, and runs that are not here', async () => {
    const { test } = gateway
    const other = await addSandbox(test.database, 'other')
    const hidden = await aQueuedRun({ ...test, sandboxId: other.id }, { id: 'snp_x', version: 2, count: 1 })
    const absent = `run_${'0'.repeat(32)}`
    const client = await admitted(url, gateway.admin)
    const cases: object[] = [
      { runId, after: 'garbage' },
      { runId, after: encodeLogCursor(hidden.id, 1) },
      { runId, after: encodeLogCursor(runId, 999) },
      { runId: hidden.id },
      { runId: absent },
    ]
    const messages: string[] = []
    for (const [index, variables] of cases.entries()) {
      const id = String(index)
      client.subscribe(id, WATCH, variables)
      const answer = await client.hear((message) => message.id === id && message.type !== 'complete')
      const [error] = answer.type === 'error' ? answer.payload : answer.payload.errors
      expect(error.extensions.code, JSON.stringify(variables)).toBe('BAD_USER_INPUT')
      messages.push(error.message)
    }
    expect(messages[3]?.replace(hidden.id, 'ID')).toBe(messages[4]?.replace(absent, 'ID'))
  })

  it('leaves no waiter, timer or generator behind when clients vanish', async () => {
    const { wake } = gateway.test.database
    let waiting = 0
    const wait = wake.wait.bind(wake)
    wake.wait = async (...args) => {
      waiting += 1
      await wait(...args)
      waiting -= 1
    }
    let open = 0
    const { events } = gateway.parts.feed
    gateway.parts.feed.events = async function* (...args) {
      open += 1
      try {
        yield* events(...args)
      } finally {
        open -= 1
      }
    }
    const clients = await Promise.all(Array.from({ length: 50 }, () => admitted(url, gateway.admin)))
    const left = new AbortController()
    const streams = Array.from({ length: 50 }, async () => {
      for await (const _ of sse({ runId }, left.signal)) expect(open).toBeGreaterThan(0)
    })
    for (const client of clients) client.subscribe('1', WATCH, { runId })
    await vi.waitFor(() => expect(open).toBe(51), { timeout: 10_000 })
    for (const [index, client] of clients.entries()) {
      if (index % 3 === 0) client.socket.terminate()
      else if (index % 3 === 1) client.socket.close()
      else client.say({ type: 'complete', id: '1' })
    }
    left.abort()
    await Promise.allSettled(streams)
    await vi.waitFor(() => expect([open, waiting]).toEqual([0, 0]), { timeout: 10_000 })
  })

  it('ends when the token is revoked', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    try {
      const token = await gateway.token(['VIEWER'])
      const [row] = (await gateway.parts.services.token.list(gateway.test.session)).slice(-1)
      const client = await admitted(url, token)
      client.subscribe('1', WATCH, { runId })
      await client.hear(({ type }) => type === 'next')
      await gateway.parts.services.token.revoke(gateway.test.session, row!.id)
      vi.advanceTimersByTime(12_000)
      expect(await client.closed).toBe(4403)
    } finally {
      vi.useRealTimers()
    }
    await after(0)
  })
})
