import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Unavailable } from '../../src/domain/errors.ts'
import { type Feed, logFeed, runFeed } from '../../src/engine/feed.ts'
import { runStore } from '../../src/storage/run.ts'
import type { Row } from '../../src/storage/tables.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { aQueuedRun } from '../support/export-scene.ts'
import { happen } from '../support/run-log.ts'

let test: TestDatabase
let runId: string
let feed: Feed<Row<'runEvents'>>
let reads: number
let waits: number
let isOut: boolean
beforeEach(async () => {
  test = await testDatabase()
  runId = (await aQueuedRun(test, { id: test.ctx.newId('snapshot'), version: 1, count: 100 })).id
  const { database } = test
  reads = 0
  waits = 0
  isOut = false
  feed = logFeed(
    {
      notify: database.wake.notify,
      wait: async (...args) => {
        waits += 1
        await database.wake.wait(...args)
        waits -= 1
      },
    },
    {
      ...runFeed(test),
      topic: (key) => `run:${key}`,
      read: (...args) => {
        reads += 1
        if (isOut) return Promise.reject(new Unavailable('The database cannot be reached.'))
        return runStore(database).eventsAfter(...args)
      },
    },
  )
})
afterEach(() => test.dispose())

const never = new AbortController().signal

async function placesAfter(after: number, signal = never): Promise<number[]> {
  const places = []
  for await (const { seq } of feed.events(runId, after, signal)) places.push(seq)
  return places
}

describe('a feed', () => {
  it('gives exactly the rest to whoever joins anywhere, while the log grows', async () => {
    const readers: Promise<number[]>[] = []
    for (let place = 1; place <= 250; place += 1) {
      readers.push(placesAfter(place - 1))
      await happen(test, runId, 'PROGRESS', place)
    }
    await happen(test, runId, 'SUCCEEDED', 250)
    const all = Array.from({ length: 252 }, (_, index) => index + 1)
    for (const [after, places] of (await Promise.all(readers)).entries()) {
      expect(places).toEqual(all.slice(after))
    }
  })

  it('waits once for any number of readers, and reads each place once', async () => {
    const left = new AbortController()
    const heard: number[] = []
    const readers = Array.from({ length: 1000 }, async () => {
      for await (const { seq } of feed.events(runId, 0, left.signal)) heard.push(seq)
    })
    await vi.waitFor(() => expect(heard).toHaveLength(1000))
    expect(waits).toBe(1)
    // The first event, what comes after it, and a look now and then.
    expect(reads).toBeLessThan(5)
    await happen(test, runId, 'STARTED')
    await vi.waitFor(() => expect(heard).toHaveLength(2000))
    expect(reads).toBeLessThan(8)
    left.abort()
    await Promise.all(readers)
    await vi.waitFor(() => expect(waits).toBe(0))
  })

  it('sees without being woken what another process wrote', async () => {
    const left = new AbortController()
    const { database } = test
    const notify = database.wake.notify
    const places = placesAfter(0, left.signal)
    await vi.waitFor(() => expect(reads).toBeGreaterThan(1))
    database.wake.notify = () => {}
    await happen(test, runId, 'SUCCEEDED')
    database.wake.notify = notify
    expect(await places).toEqual([1, 2])
  })

  it('stays through an outage of the database, without a gap', async () => {
    const seen: number[] = []
    const reading = (async () => {
      for await (const { seq } of feed.events(runId, 0, new AbortController().signal)) seen.push(seq)
    })()
    await vi.waitFor(() => expect(seen).toEqual([1]))
    isOut = true
    reads = 0
    await happen(test, runId, 'STARTED')
    await vi.waitFor(() => expect(reads).toBeGreaterThan(1), { timeout: 5_000 })
    await happen(test, runId, 'SUCCEEDED')
    isOut = false
    await reading
    expect(seen).toEqual([1, 2, 3])
  })

  it('ends at once when its reader leaves in the middle of waiting, or never begins', async () => {
    const left = new AbortController()
    const places = placesAfter(0, left.signal)
    await vi.waitFor(() => expect(reads).toBeGreaterThan(1))
    left.abort()
    expect(await places).toEqual([1])
    expect(await placesAfter(0, AbortSignal.abort())).toEqual([])
    await vi.waitFor(() => expect(waits).toBe(0))
  })
})
