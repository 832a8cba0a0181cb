// Clients that go without a goodbye leave nothing behind.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { Socket } from 'node:net'
import path from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type TestGateway, testGateway } from '../support/api.ts'
import { aQueuedRun } from '../support/export-scene.ts'
import { settledMemory } from '../support/memory.ts'
import { rawSocket } from '../support/raw-socket.ts'
import { happen } from '../support/run-log.ts'
import { admitted } from '../support/ws-client.ts'

const CLIENTS = path.join(import.meta.dirname, '../support/many-sockets.ts')
const COUNT = 2_000
const WATCH = 'subscription ($runId: ID!) { runEvents(runId: $runId) { cursor type status } }'
const MB = 2 ** 20

let gateway: TestGateway
let url: string
let runId: string
let waiting: number
beforeEach(async () => {
  gateway = await testGateway()
  waiting = countWaiters(gateway)
  url = await gateway.serve()
  runId = (await aQueuedRun(gateway.test, { id: gateway.test.ctx.newId('snapshot'), version: 1, count: 1 }))
    .id
})
afterEach(() => gateway.dispose())

/** Keeps `waiting` at the number of parked waits for a wake-up. */
function countWaiters({ test: { database } }: TestGateway): number {
  const wait = database.wake.wait
  database.wake.wait = async (...args) => {
    waiting += 1
    await wait(...args)
    waiting -= 1
  }
  return 0
}

/** Sockets of the server. Those to the database are not. */
function openSockets(): number {
  const { _getActiveHandles: handles } = process as unknown as { _getActiveHandles(): unknown[] }
  const port = Number(new URL(url).port)
  return handles.call(process).filter((one) => one instanceof Socket && one.localPort === port).length
}
/** Waits until nothing is left: no socket, no waiter. */
const untilAlone = () =>
  vi.waitFor(() => expect([waiting, openSockets()]).toEqual([0, 0]), { timeout: 20_000 })
/** Waits, without a timer of its own, until there are no timers that keep the process busy. */
async function untilNoTimers() {
  const end = performance.now() + 5_000
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout')
  while (timers().length > 0 && performance.now() < end) await nextTurn()
  expect(timers()).toEqual([])
}

async function memory() {
  const { heap, buffers, rss } = await settledMemory()
  return { used: heap + buffers, rss }
}

async function manyClients(): Promise<ChildProcess> {
  const args = [url, gateway.admin, String(COUNT), WATCH, JSON.stringify({ runId })]
  const clients = fork(CLIENTS, args, { execArgv: [], stdio: 'inherit' })
  await once(clients, 'message')
  return clients
}

it('2,000 sockets opened and cut, three times over: memory and handles return to where they were', async () => {
  const warm = await admitted(url, gateway.admin)
  warm.subscribe('1', WATCH, { runId })
  await warm.hear(({ type }) => type === 'next')
  warm.socket.terminate()
  await untilAlone()
  const before = await memory()
  const after: Awaited<ReturnType<typeof memory>>[] = []
  for (let round = 1; round <= 3; round += 1) {
    const clients = await manyClients()
    expect(openSockets()).toBe(COUNT)
    expect(waiting).toBe(1)
    expect(((await memory()).used - before.used) / COUNT).toBeLessThan(25_000)
    await happen(gateway.test, runId, 'PROGRESS', round)
    clients.kill('SIGKILL')
    await once(clients, 'exit')
    await untilAlone()
    await untilNoTimers()
    after.push(await memory())
  }
  // A subscriber takes 10 KB of the heap and more of the process: a tenth of them kept would show.
  for (const { used } of after) expect(used - before.used).toBeLessThan(5 * MB)
  const [, second, third] = after
  expect(Number(third?.used) - Number(second?.used)).toBeLessThan(2 * MB)
  expect(Number(third?.rss) - Number(second?.rss)).toBeLessThan(15 * MB)
  expect(gateway.logged).toEqual([])
}, 120_000)

it('200 resets and 300 sockets that say nothing: every descriptor comes back', async () => {
  const sockets = await Promise.all(Array.from({ length: 200 }, () => rawSocket(url)))
  for (const [index, { socket, say }] of sockets.entries()) {
    if (index % 2) say({ type: 'connection_init', payload: { authorization: `Bearer ${gateway.admin}` } })
    if (index % 4 === 1) say({ type: 'subscribe', id: '1', payload: { query: WATCH, variables: { runId } } })
    socket.resetAndDestroy()
  }
  const silent = await Promise.all(Array.from({ length: 300 }, () => rawSocket(url)))
  const codes = await Promise.all(silent.map(({ closed }) => closed))
  expect(new Set(codes)).toEqual(new Set([4408]))
  for (const { socket } of silent) socket.destroy()
  await untilAlone()
  await untilNoTimers()
  const healthy = await admitted(url, gateway.admin)
  healthy.socket.terminate()
})
