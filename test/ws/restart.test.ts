import { setTimeout as after } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { httpUrl } from '../../src/config.ts'
import { type HttpServer, httpServer } from '../../src/http/server.ts'
import { type TestGateway, testGateway } from '../support/api.ts'
import { aQueuedRun } from '../support/export-scene.ts'
import { happen } from '../support/run-log.ts'
import { dial, type WsClient } from '../support/ws-client.ts'

let gateway: TestGateway
let runId: string
const servers: HttpServer[] = []
beforeEach(async () => {
  gateway = await testGateway()
  runId = (await aQueuedRun(gateway.test, { id: gateway.test.ctx.newId('snapshot'), version: 1, count: 1 }))
    .id
})
afterEach(async () => {
  for (const server of servers) await server.stop(100)
  await gateway.dispose()
})

async function start(): Promise<{ url: string; server: HttpServer }> {
  const config = { graphiql: false, introspection: 'never', requestsPerMinute: 60_000 } as const
  const server = httpServer({
    parts: gateway.parts,
    config: { ...config, host: '127.0.0.1', port: 0 },
    isEngineRunning: () => true,
    scheduler: () => ({ heartbeatAt: new Date(), lagMs: 0, isAlive: true }),
  })
  servers.push(server)
  return { server, url: httpUrl('127.0.0.1', (await server.start()).port) }
}

/** A client that has been let in, or null when the server is on its way out. */
async function connected(url: string): Promise<WsClient | null> {
  const client = dial(url)
  const isOpen = await client.opened().then(
    () => true,
    () => false,
  )
  if (!isOpen) return null
  client.say({ type: 'connection_init', payload: { authorization: `Bearer ${gateway.admin}` } })
  const acknowledged = client.hear(({ type }) => type === 'connection_ack')
  return (await Promise.race([acknowledged, client.closed.then(() => null)])) && client
}

/** Follows the run from server to server until it has ended: reconnects with the last cursor it saw. */
async function follow(address: () => string): Promise<{ received: number[]; codes: number[] }> {
  const codes: number[] = []
  const received: number[] = []
  let last: string | null = null
  for (;;) {
    const client = await connected(address())
    if (!client) continue
    client.subscribe(
      '1',
      `subscription ($runId: ID!, $after: String) {
        runEvents(runId: $runId, after: $after) { cursor progress { received } }
      }`,
      { runId, after: last },
    )
    const isOver = client.hear(({ type }) => type === 'complete').then(() => true)
    const code = await Promise.race([isOver, client.closed])
    for (const { runEvents } of client.dataOf('1')) {
      received.push(runEvents.progress.received)
      last = runEvents.cursor
    }
    client.socket.terminate()
    if (code === true) return { received, codes }
    codes.push(Number(code))
  }
}

it('closes with 1001 when it stops, and whoever comes back misses nothing', async () => {
  let { url, server } = await start()
  const followers = Array.from({ length: 20 }, () => follow(() => url))
  const restarts = 3
  for (let count = 1; count <= 40; count += 1) {
    await happen(gateway.test, runId, 'PROGRESS', count)
    await after(5)
    if (count % 10 !== 0 || count / 10 > restarts) continue
    const next = await start()
    url = next.url
    await server.stop(1_000)
    server = next.server
  }
  await happen(gateway.test, runId, 'SUCCEEDED', 41)
  for (const { received, codes } of await Promise.all(followers)) {
    expect(received).toEqual(Array.from({ length: 42 }, (_, count) => count))
    expect(new Set(codes)).toEqual(new Set([1001]))
  }
})
