import { afterEach, beforeEach, expect, it } from 'vitest'
import { cron } from '../../src/cron.ts'
import type { Rule } from '../../src/domain/model.ts'
import { segmentationSchedule } from '../../src/engine/segmentation-schedule.ts'
import { segmentService } from '../../src/services/segment.ts'
import type { Database } from '../../src/storage/database.ts'
import { openDatabase } from '../../src/storage/open.ts'
import { segmentationLease } from '../../src/storage/segmentation-lease.ts'

import { addSandbox, silent, type TestDatabase, testDatabase } from '../support/database.ts'

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
const BORN = at('2027-12-30T10:00')
let test: TestDatabase
beforeEach(async () => {
  test = await testDatabase()
  test.setTime(BORN)
  await bornAt(BORN)
})
afterEach(() => test.dispose())

function at(text: string): Date {
  return new Date(`${text}:00.000Z`)
}
const bornAt = (createdAt: Date) =>
  test.database.batch([test.database.db.update(test.database.tables.sandboxes).set({ createdAt })])
const schedule = (database: Database = test.database, pattern: string | null = '0 0 * * *') =>
  segmentationSchedule({
    database,
    newId: test.ctx.newId,
    log: silent,
    times: pattern === null ? null : cron(pattern),
  })
const positive: Rule = { attribute: { path: 'n', operator: 'GREATER_THAN', value: 0 } }
const create = (name: string, more: { rule?: Rule; status?: 'DRAFT' } = {}) =>
  segmentService(test.ctx).create(test.session, { name, rule: positive, ...more })
const jobs = () => {
  const { segmentationJobs } = test.database.tables
  return test.database.db.select().from(segmentationJobs).orderBy(segmentationJobs.createdAt)
}
const dueTimes = async () => (await jobs()).map(({ dueAt }) => dueAt?.toISOString().slice(0, 16))
/** As a worker does that has nothing to look at. */
async function endJobs(now: Date) {
  const lease = segmentationLease(test.database, 'prc_test')
  for (let job = await lease.claim(now); job; job = await lease.claim(now)) {
    const claim = { jobId: job.id, fence: job.fence }
    await lease.finish(claim, { finished: [], failures: [], error: null }, now)
  }
}

it('a job of every sandbox is queued when the time has come, once, of the active segments in their order', async () => {
  await addSandbox(test.database, 'other')
  await bornAt(BORN)
  const base = await create('base')
  const rest = await create('rest', { rule: { not: { segment: base.id } } })
  await create('draft', { status: 'DRAFT' })
  await segmentService(test.ctx).update(test.session, { id: base.id, rule: positive })
  const { tick } = schedule()
  await tick(at('2027-12-30T23:59'))
  expect(await jobs()).toEqual([])
  const midnight = at('2027-12-31T00:00')
  await tick(midnight)
  await tick(new Date(midnight.getTime() + 1))
  const made = await jobs()
  expect(made).toHaveLength(2)
  for (const job of made) {
    expect(job).toMatchObject({
      status: 'QUEUED',
      trigger: 'SCHEDULED',
      dueAt: midnight,
      createdAt: midnight,
    })
  }
  const own = made.find(({ sandboxId }) => sandboxId === test.sandboxId)
  expect(own?.segmentIds).toEqual([base.id, rest.id])
})

it('what was due before the sandbox was made, or while there is no schedule, is not made up for', async () => {
  await schedule().tick(at('2027-12-30T10:00'))
  await schedule(test.database, null).tick(at('2028-01-05T10:00'))
  expect(await jobs()).toEqual([])
})

it('of the times that were missed the latest is made up for, once', async () => {
  await schedule().tick(at('2027-12-31T00:00'))
  await endJobs(at('2027-12-31T00:05'))
  const now = at('2028-03-03T17:45')
  await schedule().tick(now)
  await endJobs(now)
  for (const process of [schedule(), schedule()]) await process.tick(new Date(now.getTime() + MINUTE))
  expect(await dueTimes()).toEqual(['2027-12-31T00:00', '2028-03-03T00:00'])
})

it('a job that is not done yet is waited for, also over several times', async () => {
  await create('all')
  const adHoc = await segmentService(test.ctx).evaluate(test.session, null)
  const { tick } = schedule()
  for (const now of ['2027-12-31T00:00', '2028-01-01T00:00', '2028-01-02T12:00']) await tick(at(now))
  expect((await jobs()).map(({ id }) => id)).toEqual([adHoc.id])
  await endJobs(at('2028-01-02T12:01'))
  await tick(at('2028-01-02T12:01'))
  await tick(at('2028-01-02T12:02'))
  expect(await dueTimes()).toEqual([undefined, '2028-01-02T00:00'])
  // And a request that comes meanwhile is answered with the job of the schedule.
  const [, scheduled] = await jobs()
  expect(await segmentService(test.ctx).evaluate(test.session, null)).toMatchObject({ id: scheduled?.id })
})

it('over a year with restarts and downtime, every time that somebody was there for has its job, and no other', async () => {
  let random = 20_271_231
  const next = (below: number) => {
    random = (random * 48_271) % 2_147_483_647
    return random % below
  }
  let process = schedule()
  const expected: string[] = []
  for (let now = BORN.getTime(); now < BORN.getTime() + 366 * DAY; ) {
    const midnight = new Date(Math.floor(now / DAY) * DAY)
    const due = midnight.toISOString().slice(0, 16)
    if (midnight > BORN && expected.at(-1) !== due) expected.push(due)
    await process.tick(new Date(now))
    await endJobs(new Date(now))
    // Mostly an hour or less; now and then away for up to five days, or begun anew.
    now += next(20) === 0 ? next(5 * DAY) : next(60 * MINUTE)
    if (next(10) === 0) process = schedule()
  }
  expect(expected.length).toBeGreaterThan(150)
  expect(await dueTimes()).toEqual(expected)
})

it('two processes on one database make one job for a time, whichever is faster', async () => {
  for (const name of ['a', 'b', 'c']) await addSandbox(test.database, name)
  await bornAt(BORN)
  const second = openDatabase(test.url)
  const [one, other] = [schedule(), schedule(second)]
  for (let day = 1; day <= 20; day++) {
    const now = new Date(Math.floor(BORN.getTime() / DAY + day) * DAY)
    await Promise.all([one.tick(now), other.tick(now), other.tick(now), one.tick(now)])
    expect(await jobs()).toHaveLength(4 * day)
    await endJobs(now)
  }
  await second.close()
  const made = await jobs()
  expect(new Set(made.map(({ sandboxId, dueAt }) => `${sandboxId} ${dueAt?.getTime()}`)).size).toBe(80)
})
