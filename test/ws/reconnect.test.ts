// Watchers whose connection, worker or gateway goes away in the middle of a run.
import { afterEach, beforeEach, expect, it } from 'vitest'
import { httpUrl } from '../../src/config.ts'
import { type HttpServer, httpServer } from '../../src/http/server.ts'
import { LEASE_MS } from '../../src/storage/lease.ts'
import { encodeLogCursor } from '../../src/storage/log-cursor.ts'
import { runLease } from '../../src/storage/run-lease.ts'
import { type TestGateway, type Tree, testGateway } from '../support/api.ts'
import { aQueuedRun } from '../support/export-scene.ts'
import { happen } from '../support/run-log.ts'
import { openStream, resultsIn } from '../support/sse-client.ts'
import { admitted } from '../support/ws-client.ts'

let gateway: TestGateway
let server: HttpServer
let url: string
let runId: string
beforeEach(async () => {
  gateway = await testGateway()
  await start()
  runId = (await aQueuedRun(gateway.test, { id: 'snp_x', version: 1, count: 100 })).id
})
afterEach(async () => {
  await server.stop(0)
  await gateway.dispose()
})

async function start() {
  const config = { host: '127.0.0.1', port: 0, graphiql: false, introspection: 'never' as const }
  server = httpServer({
    parts: gateway.parts,
    config: { ...config, requestsPerMinute: 1e6 },
    isEngineRunning: () => true,
    scheduler: () => ({ heartbeatAt: new Date(), lagMs: 0, isAlive: true }),
  })
  url = httpUrl('127.0.0.1', (await server.start()).port)
}

const WATCH = `subscription ($runId: ID!, $after: String) {
  runEvents(runId: $runId, after: $after) { cursor type message progress { received } }
}`
const ENDS = ['SUCCEEDED', 'FAILED', 'CANCELLED']

/** At most so many events after a cursor, as long as the connection holds. */
type Listen = (after: string | null, atMost: number) => Promise<Tree[]>
const overWebSocket: Listen = async (after, atMost) => {
  const client = await admitted(url, gateway.admin)
  client.subscribe('1', WATCH, { runId, after })
  const heard = () => client.dataOf('1').map(({ runEvents }) => runEvents)
  await client.hear(({ type }) => type === 'complete' || heard().length >= atMost)
  client.socket.terminate()
  return heard()
}
const overSse: Listen = async (after, atMost) => {
  const left = new AbortController()
  const variables = { runId, after }
  const { chunks } = await openStream(url, {
    token: gateway.admin,
    query: WATCH,
    variables,
    signal: left.signal,
  })
  const heard: Tree[] = []
  for await (const { data } of resultsIn(chunks)) {
    heard.push(data.runEvents)
    if (heard.length >= atMost) break
  }
  left.abort()
  return heard
}

it.each([
  ['WebSocket', overWebSocket],
  ['SSE', overSse],
])(
  'case 70: a client that reconnects all the time over %s hears each event once, and the end',
  async (_, listen) => {
    const work = async () => {
      for (let received = 1; received <= 60; received += 1) {
        await happen(gateway.test, runId, 'PROGRESS', received)
        await new Promise((resolve) => setTimeout(resolve, 3))
      }
      await happen(gateway.test, runId, 'SUCCEEDED', 100)
    }
    const working = work()
    const heard: Tree[] = []
    while (!ENDS.includes(heard.at(-1)?.type)) {
      heard.push(...(await listen(heard.at(-1)?.cursor ?? null, 1 + (heard.length % 5))))
    }
    await working
    expect(heard.map(({ cursor }) => cursor)).toEqual(
      Array.from({ length: 62 }, (__, index) => encodeLogCursor(runId, index + 1)),
    )
    const received = heard.map(({ progress }) => progress.received)
    expect(received).toEqual([0, ...Array.from({ length: 60 }, (__, index) => index + 1), 100])
  },
)

it('case 71: a stream goes on when another worker takes the run over, and only then tells less than before', async () => {
  const client = await admitted(url, gateway.admin)
  client.subscribe('1', WATCH, { runId })
  const counters = { received: 60, exported: 60, excluded: 0, failed: 0, bytes: 600, files: 0 }
  const at = new Date()
  const [one, two] = ['proc_one', 'proc_two'].map((id) => runLease(gateway.test.database, id))
  await gateway.test.database.life.register('proc_one')
  const first = await one!.claim(at)
  await one!.progress({ runId, fence: first!.fence }, { counters, phase: 'DELIVERING', at })
  const later = new Date(at.getTime() + LEASE_MS + 1)
  const second = await two!.claim(later)
  const claim = { runId, fence: second!.fence }
  await two!.progress(claim, { counters: { ...counters, received: 20 }, phase: 'DELIVERING', at: later })
  await two!.end(claim, { status: 'SUCCESS' }, later)
  await client.hear(({ type }) => type === 'complete')
  const told = client
    .dataOf('1')
    .map(({ runEvents: { type, message, progress } }) => [type, message, progress.received])
  expect(told).toEqual([
    ['QUEUED', null, 0],
    ['STARTED', null, 0],
    ['PROGRESS', null, 60],
    ['RETRYING', 'attempt 2', 60],
    ['PROGRESS', null, 20],
    ['SUCCEEDED', null, 20],
  ])
})

it('case 73: a restart ends event streams, and their clients go on where they were', async () => {
  const { chunks } = await openStream(url, { token: gateway.admin, query: WATCH, variables: { runId } })
  const results = resultsIn(chunks)
  const { cursor } = (await results.next()).value.data.runEvents
  const cut = results.next().catch(() => 'cut')
  await server.stop(1_000)
  expect(await cut).toBe('cut')
  await expect.poll(gateway.parts.slots.count).toBe(0)
  await happen(gateway.test, runId, 'STARTED')
  await start()
  const hearing = overSse(cursor, 99)
  await happen(gateway.test, runId, 'SUCCEEDED')
  expect((await hearing).map(({ type }) => type)).toEqual(['STARTED', 'SUCCEEDED'])
})
