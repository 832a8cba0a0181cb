import { eq } from 'drizzle-orm'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Unavailable } from '../../src/domain/errors.ts'
import { type RunWatch, runWatch } from '../../src/engine/run-watch.ts'
import { runStore } from '../../src/storage/run.ts'
import { matchesRun, type RunFilter } from '../../src/storage/run-filter.ts'
import { addSandbox, type TestDatabase, testDatabase } from '../support/database.ts'
import { aQueuedRun, runRow } from '../support/export-scene.ts'
import { happen } from '../support/run-log.ts'

let test: TestDatabase
let watch: RunWatch
let left: AbortController
/** Times that somebody waits for any run's log, and how many wait now. */
let waits: number
let waiting: number
beforeEach(async () => {
  test = await testDatabase()
  watch = runWatch({ database: test.database, clock: test.ctx.clock })
  left = new AbortController()
  waits = 0
  waiting = 0
  const { wake } = test.database
  const wait = wake.wait.bind(wake)
  wake.wait = async (...args) => {
    waits += 1
    waiting += 1
    await wait(...args)
    waiting -= 1
  }
})
afterEach(async () => {
  left.abort()
  await vi.waitFor(() => expect(waiting).toBe(0), { timeout: 10_000 })
  await test.dispose()
})

const snapshot = { id: 'snp_x', version: 1, count: 100 }
const aRun = async (of = test) => (await aQueuedRun(of, snapshot)).id
/** A subscriber, which pulls when the test does. */
const subscriber = (filter: RunFilter = {}, sandboxId = test.sandboxId) => {
  const changes = watch.changes(sandboxId, filter, left.signal)
  return async () => {
    const { value } = await changes.next()
    return value ? `${value.id} ${value.status} ${value.received}` : 'end'
  }
}

describe('the watch over the runs of a sandbox', () => {
  it('begins with what is active or ended lately, then tells every change of every run', async () => {
    const [ended, old, active] = [await aRun(), await aRun(), await aRun()]
    await happen(test, ended, 'SUCCEEDED', 7)
    const { runs } = test.database.tables
    await test.database.batch([
      test.database.db
        .update(runs)
        .set({ status: 'FAILED', completedAt: new Date(0) })
        .where(eq(runs.id, old)),
    ])
    const next = subscriber()
    expect([await next(), await next()].sort()).toEqual([`${ended} SUCCESS 7`, `${active} QUEUED 0`].sort())
    await happen(test, active, 'STARTED')
    expect(await next()).toBe(`${active} PROCESSING 0`)
    const later = await aRun()
    expect(await next()).toBe(`${later} QUEUED 0`)
    await happen(test, active, 'FAILED', 3)
    expect(await next()).toBe(`${active} FAILED 3`)
  })

  it('sends a slow reader the newest state of each run, and no backlog', async () => {
    const [one, two] = [await aRun(), await aRun()]
    const slow = subscriber()
    await slow()
    await slow()
    const fast = subscriber()
    await fast()
    await fast()
    for (let received = 1; received <= 40; received += 1) {
      await happen(test, one, 'PROGRESS', received)
      await happen(test, two, 'PROGRESS', received)
      await fast()
    }
    await happen(test, one, 'SUCCEEDED', 100)
    let last = ''
    while (!last.includes('SUCCESS')) last = await fast()
    expect([await slow(), await slow()].sort()).toEqual(
      [`${one} SUCCESS 100`, `${two} PROGRESS 40`.replace('PROGRESS', 'PROCESSING')].sort(),
    )
    await happen(test, two, 'CANCELLED', 40)
    expect(await slow()).toBe(`${two} CANCELLED 40`)
  })

  it('tells once more of a run that does not match any longer, and of others never', async () => {
    const [shown, other] = [await aRun(), await aRun()]
    const next = subscriber({ status: ['PROCESSING'] })
    await happen(test, shown, 'STARTED')
    expect(await next()).toBe(`${shown} PROCESSING 0`)
    await happen(test, other, 'CANCELLED')
    await happen(test, shown, 'SUCCEEDED', 9)
    expect(await next()).toBe(`${shown} SUCCESS 9`)
    const third = await aRun()
    await happen(test, third, 'STARTED')
    expect(await next()).toBe(`${third} PROCESSING 0`)
  })

  it('sees what other processes do, and runs that begin and end between two looks', async () => {
    test.database.wake.notify = () => {}
    const next = subscriber()
    const pending = next()
    await vi.waitFor(() => expect(waits).toBeGreaterThan(0))
    const id = await aRun()
    await happen(test, id, 'STARTED')
    await happen(test, id, 'SUCCEEDED', 5)
    expect(await pending).toBe(`${id} SUCCESS 5`)
  })

  it('looks once for all who watch, and not at all when nobody does', async () => {
    const id = await aRun()
    const readers = Array.from({ length: 200 }, () => subscriber({ ids: [id] }))
    await Promise.all(readers.map((next) => next()))
    await happen(test, id, 'STARTED')
    await Promise.all(readers.map((next) => next()))
    expect(waits).toBeLessThan(10)
    const told = readers.map((next) => next())
    left.abort()
    expect(new Set(await Promise.all(told))).toEqual(new Set(['end']))
    await vi.waitFor(() => expect(waiting).toBe(0), { timeout: 10_000 })
    const before = waits
    await happen(test, id, 'PROGRESS')
    expect(waits).toBe(before)
  })

  it('keeps to its sandbox', async () => {
    const other = await addSandbox(test.database, 'other')
    const hidden = await aRun({ ...test, sandboxId: other.id })
    const next = subscriber()
    const own = await aRun()
    expect(await next()).toBe(`${own} QUEUED 0`)
    await happen(test, hidden, 'STARTED')
    await happen(test, own, 'STARTED')
    expect(await next()).toBe(`${own} PROCESSING 0`)
    expect(await subscriber({ ids: [own, hidden] }, other.id)()).toBe(`${hidden} PROCESSING 0`)
  })

  it('tells all readers of an error in the gateway, and works for the next', async () => {
    const id = await aRun()
    const { select } = test.database.db
    const next = subscriber()
    await next()
    const broken = vi.spyOn(test.database.db, 'select').mockImplementation(() => {
      throw new Error('a mistake')
    })
    await expect(next()).rejects.toThrow('a mistake')
    broken.mockRestore()
    expect(test.database.db.select).toBe(select)
    expect(await subscriber()()).toBe(`${id} QUEUED 0`)
  })

  it('stays through an outage of the database, and tells what came meanwhile', async () => {
    const id = await aRun()
    const next = subscriber()
    expect(await next()).toBe(`${id} QUEUED 0`)
    await happen(test, id, 'STARTED')
    const out = vi.spyOn(test.database.db, 'select').mockImplementation(() => {
      throw new Error('as drivers tell it', { cause: new Unavailable('It cannot be reached.') })
    })
    const news = next()
    await vi.waitFor(() => expect(out.mock.calls.length).toBeGreaterThan(1))
    out.mockRestore()
    expect(await news).toBe(`${id} PROCESSING 0`)
  })
})

describe('a filter of runs', () => {
  it('says of a row what it says in SQL', async () => {
    const ids = [await aRun(), await aRun(), await aRun()]
    await happen(test, ids[1]!, 'STARTED')
    await happen(test, ids[2]!, 'SUCCEEDED')
    const rows = await Promise.all(ids.map((id) => runRow(test, id)))
    const some = (values: string[]) => fc.option(fc.subarray(values), { nil: undefined })
    const moments = rows.flatMap(({ createdAt }) =>
      [-1, 0, 1].map((ms) => new Date(createdAt.getTime() + ms)),
    )
    const moment = fc.option(fc.constantFrom(...moments), { nil: null })
    const filters = fc.record({
      ids: some(ids),
      dataflowIds: some(rows.map((row) => row.dataflowId)),
      segmentIds: some(rows.map((row) => row.segmentId)),
      destinationIds: some(rows.map((row) => row.destinationId)),
      status: some(['QUEUED', 'PROCESSING', 'FAILED']),
      trigger: some(['AD_HOC', 'SCHEDULED']),
      createdAfter: moment,
      createdBefore: moment,
    })
    await fc.assert(
      fc.asyncProperty(filters, async (drawn) => {
        const filter = drawn as RunFilter
        const args = { first: 10 }
        const options = { sandboxId: test.sandboxId, filter, args, maxPageSize: 10 }
        const found = (await runStore(test.database).page(options)).rows.map(({ id }) => id)
        const matching = rows.filter((row) => matchesRun(row, filter)).map(({ id }) => id)
        expect(found.sort()).toEqual(matching.sort())
      }),
      { numRuns: 200 },
    )
  })
})
