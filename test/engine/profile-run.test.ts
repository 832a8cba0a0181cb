// Runs of destinations that take profiles: every profile is sent once, also when the worker ends in the middle.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Timer } from '../../src/engine/timer.ts'
import type { RunWorker } from '../../src/engine/worker.ts'
import { runCancel } from '../../src/storage/run-cancel.ts'
import { type ContactApi, contactApi, MAX_CONTACTS } from '../support/contact-api.ts'
import { aContactRun, emails, rejectionsOf, startRunWorker } from '../support/contact-run.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { runRow, untilEnded } from '../support/export-scene.ts'
import { skippingTimer } from '../support/timers.ts'

let test: TestDatabase
let api: ContactApi
const workers: RunWorker[] = []
beforeEach(async () => {
  test = await testDatabase()
  api = await contactApi()
})
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.stop()
  await api.close()
  await test.dispose()
})

const start = (options: { timer?: Timer } = {}) => {
  const worker = startRunWorker(test, options)
  workers.push(worker)
  return worker
}
/** What the API has, and that it was told each once. */
const stored = () => {
  expect([...api.contacts.values()].every((times) => times === 1)).toBe(true)
  return [...api.contacts.keys()].sort()
}
const addresses = (people: { email: string }[]) => people.map(({ email }) => email).sort()
const sizes = () => api.requests.map((body) => JSON.parse(body).length)
/** Resolves when so many requests that bring contacts have come. */
const requests = (count: number) =>
  new Promise<void>((resolve) => {
    api.onRequest = () => api.requests.length >= count && resolve()
  })

describe('a run that sends profiles', () => {
  for (const [count, expected] of [
    [0, []],
    [1, [1]],
    [MAX_CONTACTS, [MAX_CONTACTS]],
    [MAX_CONTACTS + 1, [MAX_CONTACTS, 1]],
    [1_203, [...Array<number>(240).fill(5), 3]],
  ] as const) {
    it(`sends ${count} in full requests and a rest, each once`, async () => {
      const people = emails(count)
      const run = await aContactRun(test, api, { people })
      start()
      const events = await untilEnded(test, run.id)
      expect(events.at(-1)?.type).toBe('SUCCEEDED')
      expect(events.map(({ received }) => received)).toEqual(
        events.map(({ received }) => received).sort((a, b) => a - b),
      )
      expect(stored()).toEqual(addresses(people))
      expect(sizes()).toEqual(expected)
      const bytes = api.requests.reduce((sum, body) => sum + Buffer.byteLength(body), 0)
      expect(await runRow(test, run.id)).toMatchObject({
        status: 'SUCCESS',
        phase: 'DONE',
        received: count,
        exported: count,
        excluded: 0,
        failed: 0,
        files: 0,
        bytes,
        checkpoint: null,
      })
    })
  }

  it('counts every profile once: sent, left out, or refused here or there', async () => {
    const people = [
      { email: 'a@x', name: 'A', agreed: true },
      { name: 'no e-mail', agreed: true },
      { email: 'b@x', name: 'no consent' },
      { email: 'a@x', name: 'A again', agreed: true },
      { email: 'c@x', name: ['list'], agreed: true },
      { email: 'nowhere', agreed: true },
      { email: 'd@x', name: 'D', agreed: true },
    ]
    const plan = { deduplicateBy: ['email'], consentAttribute: 'agreed' }
    const run = await aContactRun(test, api, { people, plan })
    start()
    await untilEnded(test, run.id)
    expect(await runRow(test, run.id)).toMatchObject({ received: 7, exported: 2, excluded: 3, failed: 2 })
    expect(await rejectionsOf(test, run.id)).toEqual([
      ['MISSING_REQUIRED_FIELD', 'EMAIL'],
      ['NO_CONSENT', null],
      ['DUPLICATE', null],
      ['INVALID_VALUE', 'NAME holds a list or an object'],
      ['REFUSED_BY_DESTINATION', 'EMAIL is no address'],
    ])
    expect(stored()).toEqual(['a@x', 'd@x'])
  })

  it('is over when nobody may be sent, however many there are', async () => {
    const run = await aContactRun(test, api, { people: Array(1_700).fill({ name: 'no e-mail' }) })
    start()
    await untilEnded(test, run.id)
    expect(await runRow(test, run.id)).toMatchObject({ status: 'SUCCESS', received: 1_700, excluded: 1_700 })
    expect(api.requests).toEqual([])
  })

  it('waits for what is dealt with later, and counts as sent what was settled', async () => {
    api.isSlow = true
    api.waits = 1
    const people = [...emails(7), { email: 'nowhere', name: 'x' }, ...emails(3, 7)]
    const run = await aContactRun(test, api, { people })
    start({ timer: skippingTimer() })
    const events = await untilEnded(test, run.id)
    expect(events.some(({ phase, status }) => phase === 'FINALIZING' && status === 'PROCESSING')).toBe(true)
    expect(await runRow(test, run.id)).toMatchObject({
      status: 'SUCCESS',
      received: 11,
      exported: 10,
      failed: 1,
    })
    expect(await rejectionsOf(test, run.id)).toEqual([['REFUSED_BY_DESTINATION', 'EMAIL is no address']])
  })
})

describe('a destination that takes its time', () => {
  it('is not sent more than a hundred requests ahead of what it says', async () => {
    api.isSlow = true
    api.waits = 1_000_000
    const run = await aContactRun(test, api, { people: emails(800) })
    const hundred = requests(100)
    start()
    await hundred
    await test.database.wake.wait('nothing', 500)
    expect(api.requests).toHaveLength(100)
    api.waits = 0
    api.settleNow()
    await untilEnded(test, run.id)
    expect(await runRow(test, run.id)).toMatchObject({ status: 'SUCCESS', exported: 800 })
    expect([api.requests.length, stored().length]).toEqual([160, 800])
  })
})

describe('a worker that ends in the middle', () => {
  it('is followed by one that goes on behind the last request, in the same steps', async () => {
    const people = [...emails(600), { email: 'nowhere' }, { name: 'no e-mail' }, ...emails(500, 600)]
    const run = await aContactRun(test, api, { people })
    const half = requests(100)
    const first = start()
    await half
    await first.stop()
    const between = await runRow(test, run.id)
    expect(between).toMatchObject({ status: 'PROCESSING', leaseOwner: null })
    const before = api.requests.length
    expect(before).toBeLessThan(200)
    start()
    const events = await untilEnded(test, run.id)
    expect(events.map(({ type }) => type)).toContain('RETRYING')
    expect(stored()).toEqual(addresses([...emails(600), ...emails(500, 600)]))
    expect(sizes()).toEqual([...Array(220).fill(5), 1])
    expect(await runRow(test, run.id)).toMatchObject({
      status: 'SUCCESS',
      received: 1_102,
      exported: 1_100,
      excluded: 1,
      failed: 1,
    })
    expect(await rejectionsOf(test, run.id)).toHaveLength(2)
  })

  it('leaves what is pending to the next one', async () => {
    api.isSlow = true
    api.waits = 1_000_000
    const people = [{ name: 'no e-mail' }, { email: 'nowhere' }, ...emails(11)]
    const run = await aContactRun(test, api, { people })
    const all = requests(3)
    const first = start()
    await all
    await first.stop()
    const { checkpoint } = await runRow(test, run.id)
    expect(checkpoint && 'pending' in checkpoint && checkpoint.pending.length).toBeGreaterThan(0)
    api.settleNow()
    start()
    await untilEnded(test, run.id)
    expect(stored()).toEqual(addresses(emails(11)))
    expect(sizes()).toEqual([5, 5, 2])
    expect(await runRow(test, run.id)).toMatchObject({
      status: 'SUCCESS',
      received: 13,
      exported: 11,
      excluded: 1,
      failed: 1,
    })
    expect(await rejectionsOf(test, run.id)).toEqual([
      ['MISSING_REQUIRED_FIELD', 'EMAIL'],
      ['REFUSED_BY_DESTINATION', 'EMAIL is no address'],
    ])
  })
})

describe('a worker that is killed', () => {
  // Between a request and its checkpoint: the request is made again, the same, and counted once.
  for (const writes of [3, 4, 7, 20]) {
    it(`after ${writes} writes, is followed by one that makes the last request again`, async () => {
      const people = [{ name: 'no e-mail' }, ...emails(120), { email: 'nowhere' }, ...emails(120, 120)]
      const run = await aContactRun(test, api, { people })
      let left = writes
      const killed = Promise.withResolvers<void>()
      const database = {
        ...test.database,
        batch: async (all: Parameters<typeof test.database.batch>[0]) => {
          left -= 1
          if (left >= 0) return test.database.batch(all)
          killed.resolve()
          throw new Error('killed')
        },
      }
      workers.push(startRunWorker(test, { database }))
      await killed.promise
      await workers.pop()?.stop()
      start()
      await untilEnded(test, run.id)
      expect(await runRow(test, run.id)).toMatchObject({
        status: 'SUCCESS',
        received: 242,
        exported: 240,
        excluded: 1,
        failed: 1,
      })
      expect(await rejectionsOf(test, run.id)).toHaveLength(2)
      const distinct = new Set(api.requests)
      expect(distinct.size).toBe(49)
      expect(api.requests.length).toBeLessThanOrEqual(50)
      expect(api.contacts.size).toBe(240)
    })
  }
})

describe('cancelling', () => {
  it('stops between two requests, and leaves what was sent', async () => {
    const run = await aContactRun(test, api, { people: emails(20_000) })
    const some = requests(3)
    start()
    await some
    await test.database.batch(runCancel(test.database).processing(run.id, new Date()))
    const events = await untilEnded(test, run.id)
    expect(events.slice(-2).map(({ type }) => type)).toEqual(['CANCELLING', 'CANCELLED'])
    const sent = stored().length
    expect(sent).toBeLessThan(20_000)
    expect(await runRow(test, run.id)).toMatchObject({ received: sent, exported: sent })
  })

  it('does not wait for an answer that never comes', async () => {
    api.isSilent = true
    const run = await aContactRun(test, api, { people: emails(1) })
    const one = requests(1)
    start()
    await one
    await test.database.batch(runCancel(test.database).processing(run.id, new Date()))
    expect((await untilEnded(test, run.id)).at(-1)?.type).toBe('CANCELLED')
  })
})

describe('a destination in trouble', () => {
  it('is tried again after a server error and after being asked to wait, and gets everybody once', async () => {
    const people = emails(12)
    const run = await aContactRun(test, api, { people })
    api.faults.push({ status: 500 }, { status: 429, retryAfterSeconds: 1 })
    start()
    const events = await untilEnded(test, run.id)
    expect(events.filter(({ type }) => type === 'RETRYING').length).toBeGreaterThanOrEqual(2)
    expect(stored()).toEqual(addresses(people))
    expect(await runRow(test, run.id)).toMatchObject({ status: 'SUCCESS', exported: 12 })
  })

  it('may fail as often as it likes, as long as the run gets further in between', async () => {
    const people = emails(16 * MAX_CONTACTS)
    const run = await aContactRun(test, api, { people })
    for (let n = 0; n < 6; n += 1) api.faults.push({ status: 500 }, { status: 200 })
    start()
    await untilEnded(test, run.id)
    expect(stored()).toEqual(addresses(people))
    expect(await runRow(test, run.id)).toMatchObject({ status: 'SUCCESS', exported: people.length })
  })

  it('is quoted in one line, at most 500 characters long, without a secret', async () => {
    api.why = `not\r\nwith ${api.key} ${'x'.repeat(900)}`
    const run = await aContactRun(test, api, { people: [{ email: 'nowhere' }] })
    start()
    await untilEnded(test, run.id)
    const [[, detail] = []] = await rejectionsOf(test, run.id)
    expect(detail).toMatch(/^not with \[secret\] x+$/)
    expect(detail).toHaveLength(500)
  })

  it('ends the run with its own words when it refuses the login, without a secret', async () => {
    const run = await aContactRun(test, api, { people: emails(1) })
    api.faults.push({ status: 401 })
    start()
    const events = await untilEnded(test, run.id)
    expect(events.at(-1)?.message).toContain('says no to [secret]')
    expect((await runRow(test, run.id)).error).toMatchObject({ code: 'REFUSED_LOGIN', retryable: false })
  })
})
