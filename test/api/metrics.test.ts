import { afterEach, beforeEach, expect, it } from 'vitest'
import { worldOf } from '../support/activation.ts'
import { type TestGateway, testGateway } from '../support/api.ts'
import { addSandbox } from '../support/database.ts'
import { aQueuedRun } from '../support/export-scene.ts'
import { happen } from '../support/run-log.ts'
import { admitted } from '../support/ws-client.ts'

let gateway: TestGateway
let url: string
let runId: string
beforeEach(async () => {
  gateway = await testGateway()
  url = await gateway.serve()
  const snapshot = { id: gateway.test.ctx.newId('snapshot'), version: 1, count: 100 }
  runId = (await aQueuedRun(gateway.test, snapshot)).id
})
afterEach(() => gateway.dispose())

const get = (token = gateway.admin, headers = {}) =>
  fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}`, ...headers } })
const metrics = async (...args: Parameters<typeof get>) => (await get(...args)).text()
const post = (query: string, accept = 'application/json') =>
  fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept, authorization: `Bearer ${gateway.admin}` },
    body: JSON.stringify({ query }),
  })
/** The lines of a metric, by their labels. */
function valuesOf(text: string, name: string): Record<string, number> {
  const lines = text.matchAll(new RegExp(`^${name}(\\{.*\\})? (\\S+)$`, 'gm'))
  return Object.fromEntries([...lines].map(([, labels = '', value]) => [labels, Number(value)]))
}

it('counts what is executed, over HTTP, event streams and WebSocket alike', async () => {
  await (await post('{ viewer { name } }')).text()
  await (await post('{ viewer { name } }', 'text/event-stream')).text()
  await (await post('mutation { cancelRun(id: "absent") { errors { code } } }')).text()
  const client = await admitted(url, gateway.admin)
  client.subscribe('1', '{ viewer { name } }')
  client.subscribe('2', 'subscription ($id: ID!) { runEvents(runId: $id) { cursor } }', { id: runId })
  client.subscribe('3', 'subscription { runEvents(runId: "absent") { cursor } }')
  await client.hear(({ id, type }) => id === '2' && type === 'next')
  await client.hear(({ id, type }) => id === '3' && type !== 'next')
  const text = await metrics()
  expect(valuesOf(text, 'gateway_operations_total')).toEqual({
    '{kind="query",result="ok"}': 3,
    '{kind="query",result="errors"}': 0,
    '{kind="mutation",result="ok"}': 1,
    '{kind="mutation",result="errors"}': 0,
    '{kind="subscription",result="ok"}': 1,
    '{kind="subscription",result="errors"}': 1,
  })
  expect(valuesOf(text, 'gateway_open_sockets')).toEqual({ '': 1 })
  client.socket.terminate()
  await expect.poll(async () => valuesOf(await metrics(), 'gateway_open_sockets')).toEqual({ '': 0 })
})

it('tells what is open, and how the process is', async () => {
  const left = new AbortController()
  const query = `subscription { runEvents(runId: "${runId}") { cursor } }`
  const stream = await fetch(`${url}/graphql`, {
    method: 'POST',
    signal: left.signal,
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      authorization: `Bearer ${gateway.admin}`,
    },
    body: JSON.stringify({ query }),
  })
  expect(stream.status).toBe(200)
  const text = await metrics()
  expect(valuesOf(text, 'gateway_open_event_streams')).toEqual({ '': 1 })
  expect(Object.values(valuesOf(text, 'nodejs_eventloop_lag_p99_seconds'))).toHaveLength(1)
  const [heartbeat] = Object.values(valuesOf(text, 'gateway_scheduler_heartbeat_timestamp_seconds'))
  expect(Math.abs((heartbeat ?? 0) - Date.now() / 1000)).toBeLessThan(60)
  expect(valuesOf(text, 'gateway_scheduler_lag_seconds')).toEqual({ '': 0 })
  left.abort()
  await expect.poll(async () => valuesOf(await metrics(), 'gateway_open_event_streams')).toEqual({ '': 0 })
})

it('counts the runs of the sandbox that it is asked in', async () => {
  await addSandbox(gateway.test.database, 'dev')
  const runs = async (headers = {}) => valuesOf(await metrics(gateway.admin, headers), 'gateway_runs')
  expect(await runs()).toEqual({ '{sandbox="prod",status="QUEUED"}': 1 })
  await happen(gateway.test, runId, 'STARTED')
  expect(await runs()).toEqual({ '{sandbox="prod",status="PROCESSING"}': 1 })
  expect(await runs({ 'x-sandbox-name': 'dev' })).toEqual({})
})

it('is for whoever may read, and not for partners', async () => {
  expect((await get('nonsense')).status).toBe(401)
  const response = await get(await gateway.token(['VIEWER']))
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4')
  const destination = await worldOf(gateway.test, gateway.test.sandboxId).destination()
  const partner = await gateway.token(['PARTNER'], { destinationIds: [destination.id] })
  expect((await get(partner)).status).toBe(403)
  const headers = { authorization: `Bearer ${gateway.admin}` }
  expect((await fetch(`${url}/metrics`, { method: 'POST', headers })).status).toBe(405)
})

it('counts runs that have ended, with rows, bytes and durations, for good', async () => {
  const { test } = gateway
  const { runs } = test.database.tables
  await test.database.db.update(runs).set({ exported: 7, bytes: 100 })
  await happen(test, runId, 'SUCCEEDED', 7)
  const label = '{sandbox="prod",status="SUCCESS"}'
  const sums = async () => {
    const text = await metrics()
    return [
      'runs_ended_total',
      'exported_rows_total',
      'exported_bytes_total',
      'run_duration_seconds_count',
    ].map((name) => valuesOf(text, `gateway_${name}`)[label])
  }
  expect(await sums()).toEqual([1, 7, 100, 1])
  const buckets = valuesOf(await metrics(), 'gateway_run_duration_seconds_bucket')
  expect(buckets['{sandbox="prod",status="SUCCESS",le="1"}']).toBe(1) // it took a second
  expect(buckets['{sandbox="prod",status="SUCCESS",le="+Inf"}']).toBe(1)
  expect(valuesOf(await metrics(), 'gateway_run_duration_seconds_sum')).toEqual({ [label]: 1 })
  // The clean-up may take the run: what was counted stays.
  await test.database.batch([test.database.db.delete(runs)])
  expect(await sums()).toEqual([1, 7, 100, 1])
  const again = (await aQueuedRun(test, { id: 'snp_y', version: 1, count: 100 })).id
  await happen(test, again, 'SUCCEEDED')
  expect(await sums()).toEqual([2, 7, 100, 2])
})

it('tells how long the queue is, who watches, and how long requests take', async () => {
  const { test } = gateway
  expect(valuesOf(await metrics(), 'gateway_queue_oldest_seconds')['{sandbox="prod"}']).toBeLessThan(60)
  await test.database.db
    .update(test.database.tables.runs)
    .set({ createdAt: new Date(Date.now() - 3_600_000) })
  expect(
    valuesOf(await metrics(), 'gateway_queue_oldest_seconds')['{sandbox="prod"}'],
  ).toBeGreaterThanOrEqual(3_600)
  const client = await admitted(url, gateway.admin)
  client.subscribe('1', 'subscription { runUpdated { id } }')
  await expect.poll(async () => valuesOf(await metrics(), 'gateway_subscriptions')).toEqual({ '': 1 })
  client.socket.terminate()
  await (await post('{ viewer { name } }')).text()
  await (await fetch(`${url}/nothing`)).text()
  const text = await metrics()
  const counts = valuesOf(text, 'gateway_request_duration_seconds_count')
  expect(counts['{route="/graphql",status="2xx"}']).toBe(1)
  expect(counts['{route="other",status="4xx"}']).toBe(1)
  const buckets = valuesOf(text, 'gateway_request_duration_seconds_bucket')
  expect(buckets['{le="+Inf",route="/graphql",status="2xx"}']).toBe(1)
  await happen(test, runId, 'CANCELLED')
  expect(valuesOf(await metrics(), 'gateway_queue_oldest_seconds')).toEqual({ '{sandbox="prod"}': 0 })
})
