// Subscribers that ask for the same are served by one execution and one text per event, and each of them by its own pace.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { RunEventType } from '../../src/domain/model.ts'
import { schema } from '../../src/graphql/schema.ts'
import { encodeLogCursor } from '../../src/storage/log-cursor.ts'
import { type TestGateway, testGateway } from '../support/api.ts'
import { aQueuedRun } from '../support/export-scene.ts'
import { settledMemory } from '../support/memory.ts'
import { happen as happenTo } from '../support/run-log.ts'
import { admitted, type WsClient } from '../support/ws-client.ts'

let gateway: TestGateway
let url: string
let runId: string
let executions: number
let stopCounting: () => void
beforeEach(async () => {
  gateway = await testGateway()
  url = await gateway.serve()
  runId = (await aQueuedRun(gateway.test, { id: gateway.test.ctx.newId('snapshot'), version: 1, count: 100 }))
    .id
  executions = 0
  stopCounting = countExecutions(() => {
    executions += 1
  })
})
afterEach(() => {
  stopCounting()
  return gateway.dispose()
})

/** Calls back whenever the cursor of an event is resolved: once for every execution that selects it. */
function countExecutions(count: () => void): () => void {
  const type = schema.getType('RunEvent')
  const field = type && 'getFields' in type ? type.getFields().cursor : undefined
  if (!field || !('resolve' in field) || !field.resolve) throw new Error('there is no RunEvent.cursor')
  const { resolve } = field
  field.resolve = (...args) => {
    count()
    return resolve(...args)
  }
  return () => {
    field.resolve = resolve
  }
}

const happen = (type: RunEventType, received?: number, message?: string) =>
  happenTo(gateway.test, runId, type, received, message)
const WATCH = `subscription ($runId: ID!, $after: String) {
  runEvents(runId: $runId, after: $after) { cursor type progress { received } }
}`

async function watching(token: string, after: string | null, query = WATCH, variables: object = {}) {
  const client = await admitted(url, token)
  client.subscribe('1', query, { runId, after, ...variables })
  return client
}
const told = (client: WsClient) => client.dataOf('1').map(({ runEvents }) => runEvents)
/** Waits until every client was told so many events. */
const heard = (clients: WsClient[], count: number) =>
  vi.waitFor(() => expect(new Set(clients.map((client) => told(client).length))).toEqual(new Set([count])), {
    timeout: 20_000,
  })

describe('equal subscriptions', () => {
  it('cost one execution for an event, whoever has them and wherever they began', async () => {
    const tokens = [gateway.admin, await gateway.token(['ADMIN'])]
    const cursor = encodeLogCursor(runId, 1)
    const early = await Promise.all(tokens.flatMap((token) => [watching(token, null), watching(token, null)]))
    await heard(early, 1)
    const late = await Promise.all(Array.from({ length: 46 }, () => watching(gateway.admin, cursor)))
    await happen('PROGRESS', 1)
    await heard(late, 1)
    expect(executions).toBe(2)
    for (let received = 2; received <= 10; received += 1) await happen('PROGRESS', received)
    await happen('SUCCEEDED', 10)
    for (const client of [...early, ...late]) await client.hear(({ type }) => type === 'complete')
    expect(executions).toBe(12)
    const [all] = early.map(told)
    expect(all?.map(({ progress }) => progress.received)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10])
    for (const client of early) expect(told(client)).toEqual(all)
    for (const client of late) expect(told(client)).toEqual(all?.slice(1))
  })

  it('are those of the same rights, document, operation, log, and variables of the selection', async () => {
    const other = (await aQueuedRun(gateway.test, { id: 'snp_x', version: 2, count: 1 })).id
    const maybe = `subscription ($runId: ID!, $after: String, $more: Boolean!) {
      runEvents(runId: $runId, after: $after) { cursor message @include(if: $more) }
    }`
    const named = `subscription A { runEvents(runId: "${runId}") { cursor } }
      subscription B { runEvents(runId: "${runId}") { cursor type } }`
    const clients = await Promise.all([
      watching(gateway.admin, null),
      watching(await gateway.token(['VIEWER']), null),
      watching(gateway.admin, null, `${WATCH} `),
      watching(gateway.admin, null, WATCH, { runId: other }),
      watching(gateway.admin, null, maybe, { more: true }),
      watching(gateway.admin, null, maybe, { more: false }),
    ])
    const both = await admitted(url, gateway.admin)
    for (const name of ['A', 'B']) {
      both.say({ type: 'subscribe', id: name, payload: { query: named, operationName: name } })
    }
    await heard(clients, 1)
    await vi.waitFor(() => expect([...both.dataOf('A'), ...both.dataOf('B')]).toHaveLength(2))
    expect(executions).toBe(8)
    expect(told(clients[4]!)).toEqual([{ cursor: expect.any(String), message: null }])
    expect(told(clients[5]!)).toEqual([{ cursor: expect.any(String) }])
    expect(Object.keys(both.dataOf('B')[0].runEvents)).toEqual(['cursor', 'type'])
  })

  it('are masked like any other, and end together when the log cannot be read', async () => {
    const clients = await Promise.all([watching(gateway.admin, null), watching(gateway.admin, null)])
    await heard(clients, 1)
    gateway.test.database.wake.notify = () => {}
    const { page } = gateway.parts.feed
    gateway.parts.feed.page = () => Promise.reject(new Error('secret'))
    const third = await watching(gateway.admin, null)
    const { payload } = await third.hear(({ type }) => type === 'error')
    expect(payload[0]).toMatchObject({
      message: 'Unexpected error.',
      extensions: { code: 'INTERNAL_SERVER_ERROR' },
    })
    expect(JSON.stringify(third.told)).not.toContain('secret')
    gateway.parts.feed.page = page
    await happen('SUCCEEDED')
    await Promise.all(clients.map((client) => client.hear(({ type }) => type === 'complete')))
  })
})

describe('a slow subscriber', () => {
  const TEXT = 'x'.repeat(4_000)
  const FAT = `subscription ($runId: ID!, $after: String) {
    runEvents(runId: $runId, after: $after) { cursor type ${[1, 2, 3, 4, 5].map((n) => `m${n}: message`).join(' ')} }
  }`

  it('holds nobody up, is kept nothing for, and loses nothing when it reads again', async () => {
    const fast = await watching(gateway.admin, null, FAT)
    const slow = await watching(gateway.admin, null, FAT)
    await heard([fast, slow], 1)
    slow.socket.pause()
    const before = await settledMemory()
    for (let received = 1; received <= 600; received += 1) await happen('PROGRESS', received, TEXT)
    await heard([fast], 601)
    // Twelve megabytes went by: more than the system keeps for a connection.
    expect(told(slow).length).toBe(1)
    await vi.waitFor(
      async () => expect((await settledMemory()).buffers - before.buffers).toBeLessThan(500_000),
      { timeout: 10_000 },
    )
    const pages = vi.spyOn(gateway.parts.feed, 'page')
    slow.socket.resume()
    await happen('SUCCEEDED', 600)
    await slow.hear(({ type }) => type === 'complete')
    expect(told(slow)).toEqual(told(fast))
    expect(told(slow).map(({ type }) => type)).toEqual([
      'QUEUED',
      ...Array(600).fill('PROGRESS'),
      'SUCCEEDED',
    ])
    // It went on by its own place in the log, not from what was kept for it.
    expect(pages).toHaveBeenCalled()
  })

  it('is let go of at once when it vanishes in the middle of a story', async () => {
    for (let received = 1; received <= 300; received += 1) await happen('PROGRESS', received, TEXT)
    const clients = await Promise.all(Array.from({ length: 5 }, () => watching(gateway.admin, null, FAT)))
    const { page } = gateway.parts.feed
    for (const client of clients) {
      await client.hear(({ type }) => type === 'next')
      client.socket.pause()
    }
    for (const client of clients) client.socket.terminate()
    let reads = 0
    gateway.parts.feed.page = (...args) => {
      reads += 1
      return page(...args)
    }
    const healthy = await watching(gateway.admin, encodeLogCursor(runId, 301))
    await happen('SUCCEEDED')
    await healthy.hear(({ type }) => type === 'complete')
    expect(reads).toBeLessThan(10)
  })
})
