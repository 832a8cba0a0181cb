// A destination that is dead or slow holds up no other, with a single export thread too.
import { randomUUID } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { httpUrl } from '../../src/config.ts'
import type { Driver } from '../../src/destinations/driver.ts'
import { systemTimer, type Timer } from '../../src/engine/timer.ts'
import { type ContactApi, contactApi, contactApiDriver } from '../support/contact-api.ts'
import { aContactRun, aStoreRun, emails, startRunWorker } from '../support/contact-run.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { aQueuedRun, aSnapshot, csvFormat, runRow, untilEnded } from '../support/export-scene.ts'

let test: TestDatabase
let api: ContactApi
const closing: (() => void | Promise<void>)[] = []
beforeEach(async () => {
  test = await testDatabase()
  api = await contactApi()
})
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
  await api.close()
  await test.dispose()
})

/** Accepts connections, and never says a word. */
async function blackHole(): Promise<string> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer((socket) => void sockets.add(socket.on('error', () => {})))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return httpUrl('127.0.0.1', (server.address() as AddressInfo).port)
}

/** A store that has nothing, and reads what it is sent at 1 KB a second. */
async function trickle(): Promise<{ url: string; begun: Promise<void> }> {
  const begun = Promise.withResolvers<void>()
  const server = http.createServer((request, response) => {
    if (request.method !== 'PUT') return response.writeHead(request.url === '/' ? 200 : 404).end('[]')
    const timer = setInterval(() => {
      if (request.read(100) !== null) begun.resolve()
    }, 100)
    request.on('close', () => clearInterval(timer))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: httpUrl('127.0.0.1', (server.address() as AddressInfo).port), begun: begun.promise }
}
const start = (timer: Timer = systemTimer) => {
  const worker = startRunWorker(test, { concurrency: 1, timer })
  closing.push(() => worker.stop())
  return worker
}

describe('one export thread', () => {
  it('sees healthy runs to their end while others wait for a black hole, a trickle, and an API that is silent', async () => {
    const slow = await trickle()
    const wide = emails(20_000).map((one) => ({ ...one, name: 'x'.repeat(1_000) }))
    const trickled = await aStoreRun(test, slow.url, wide)
    const hole = await blackHole()
    const dead = [await aStoreRun(test, hole, emails(1)), await aStoreRun(test, hole, emails(1))]
    api.isSilent = true
    const unheard = await aContactRun(test, api, { people: emails(20) })
    const people = emails(5_000)
    const snapshot = await aSnapshot(test, people)
    start()
    await slow.begun
    const healthy = []
    for (let n = 0; n < 4; n += 1) healthy.push(await aQueuedRun(test, snapshot))
    for (const run of healthy) expect((await untilEnded(test, run.id)).at(-1)?.type).toBe('SUCCEEDED')
    for (const run of [trickled, unheard, ...dead]) {
      expect(await runRow(test, run.id)).toMatchObject({ status: 'PROCESSING', attempt: 1 })
    }
    const file = path.join(test.exportRoot, `out/${healthy[0]?.plan.fileName}.csv`)
    expect(fs.readFileSync(file, 'utf8').split('\r\n')).toHaveLength(people.length + 2)
  })

  it('carries out many orders in turns, each whole', async () => {
    const fileFormat = { ...csvFormat, maxRowsPerFile: 3_000 }
    const snapshots = [await aSnapshot(test, emails(10_000)), await aSnapshot(test, emails(10_000))]
    const runs = []
    for (const snapshot of [...snapshots, ...snapshots]) {
      for (const compression of ['NONE', 'GZIP'] as const) {
        runs.push(await aQueuedRun(test, snapshot, { fileFormat: { ...fileFormat, compression } }))
      }
    }
    start()
    for (const run of runs) {
      await untilEnded(test, run.id)
      expect(await runRow(test, run.id)).toMatchObject({ status: 'SUCCESS', exported: 10_000, files: 4 })
    }
  })
})

describe('a destination', () => {
  it('that is full of runs makes its own wait, and no other', async () => {
    api.isSilent = true
    const destination = { id: `dst_${randomUUID()}`, name: 'CRM', type: 'CONTACT_API', settings: {} }
    const first = await aContactRun(test, api, { people: emails(1), plan: { destination } })
    const second = await aContactRun(test, api, { people: emails(1), plan: { destination } })
    const healthy = await aQueuedRun(test, await aSnapshot(test, emails(10)))
    start()
    await untilEnded(test, healthy.id)
    expect(await runRow(test, first.id)).toMatchObject({ status: 'PROCESSING' })
    expect(await runRow(test, second.id)).toMatchObject({ status: 'QUEUED', attempt: 0 })
  })

  it('that fails again and again is left alone, and its other runs lose no attempts', async () => {
    const destination = { id: `dst_${randomUUID()}`, name: 'CRM', type: 'CONTACT_API', settings: {} }
    const runs = []
    for (let n = 0; n < 8; n += 1) {
      runs.push(await aContactRun(test, api, { people: emails(1, n), plan: { destination } }))
    }
    api.faults.push(...Array.from({ length: 1_000 }, () => ({ status: 500 })))
    const five = new Promise<void>((resolve) => {
      api.onRequest = () => api.requests.length >= 5 && resolve()
    })
    start({ ...systemTimer, now: () => 0 }) // in which no pause ends
    await five
    const healthy = await aQueuedRun(test, await aSnapshot(test, emails(10)))
    await untilEnded(test, healthy.id)
    await test.database.wake.wait('nothing', 1_000)
    expect(api.requests).toHaveLength(5)
    const attempts = await Promise.all(runs.map(async ({ id }) => (await runRow(test, id)).attempt))
    expect(attempts.reduce((sum, attempt) => sum + attempt, 0)).toBe(5)
  })
})

describe('a driver that does not notice that its run was stopped', () => {
  it('is left behind: the worker stops, and the run is there for the next', async () => {
    const asked = Promise.withResolvers<void>()
    const send = () => {
      asked.resolve()
      return new Promise<never>(() => {})
    }
    const deliverProfiles = async () => ({ maxProfiles: 10, send, settle: async () => [] })
    const deaf: Driver = { ...contactApiDriver, type: 'DEAF', account: null, deliverProfiles }
    const destination = { id: `dst_${randomUUID()}`, name: 'Deaf', type: 'DEAF', settings: {} }
    const run = await aContactRun(test, api, { people: emails(1), plan: { destination } })
    const worker = startRunWorker(test, { extra: [deaf] })
    await asked.promise
    await worker.stop()
    expect(await runRow(test, run.id)).toMatchObject({ status: 'PROCESSING', leaseOwner: null, attempt: 0 })
  })
})
