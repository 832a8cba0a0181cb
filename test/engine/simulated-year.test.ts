// A year of schedules on a clock of its own, from July to July around a leap day, with the scheduler, the database and
// the claims of workers as they are. What should have happened is reckoned hour by hour, by the words of the schedules.
import fs from 'node:fs'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Frequency, Schedule } from '../../src/domain/model.ts'
import { runLease } from '../../src/storage/run-lease.ts'
import type { Row } from '../../src/storage/tables.ts'
import { aWorld } from '../support/activation.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { randomNumbers } from '../support/random.ts'
import { aSchedule, aScheduler, DAY, finishRuns, HOUR, scheduledRuns } from '../support/schedule.ts'
import { FREQUENCIES, isSlot, slotsIn } from '../support/slots-oracle.ts'

const BEGIN = new Date('2027-07-01T00:20:00.000Z')
const END = new Date('2028-07-01T00:20:00.000Z')

let test: TestDatabase
let mapped: Row<'segmentMappings'>[]
beforeEach(async () => {
  // In memory where there is such a place: tens of thousands of writes that each reach the disk take minutes.
  if (fs.existsSync('/dev/shm')) vi.stubEnv('TMPDIR', '/dev/shm')
  test = await testDatabase()
  test.setTime(BEGIN)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await test.dispose()
})

async function map(schedules: Schedule[]) {
  const world = await aWorld(test, { segments: 0 })
  mapped = []
  for (const schedule of schedules) {
    mapped.push(await world.map(world.dataflow, await world.segment(), { schedule, slotsUntil: BEGIN }))
  }
}
/**
 * When the scheduler looks: at every slot, at noon, and when a downtime ends. That it looks at other times, too, changes
 * nothing, and a slot that it makes up would be made at the next look.
 */
function* moments(schedules: Schedule[], downtimes: [from: string, to: string][] = []): Generator<Date> {
  const spans = downtimes.map(([from, to]) => [Date.parse(from), Date.parse(to)] as const)
  for (let at = Math.ceil(BEGIN.getTime() / HOUR) * HOUR; at <= END.getTime(); at += HOUR) {
    const isDown = spans.some(([from, to]) => at >= from && at < to)
    const isNoon = at % DAY === DAY / 2
    const hour = new Date(at)
    if (!isDown && (isNoon || schedules.some((schedule) => isSlot(schedule, hour)))) yield hour
    for (const [, to] of spans) if (to >= at && to < at + HOUR) yield new Date(to)
  }
}
const runsOf = (runs: Row<'runs'>[]) =>
  mapped.map(({ id, schedule }) => ({ schedule, runs: runs.filter(({ mappingId }) => mappingId === id) }))

describe('a lazy installation', () => {
  const DOWN: [string, string][] = [
    ['2027-08-10T05:00:00.000Z', '2027-08-13T09:30:00.000Z'],
    ['2027-12-31T23:00:00.000Z', '2028-01-01T00:10:00.000Z'],
    ['2028-02-28T12:00:00.000Z', '2028-03-02T00:03:00.000Z'],
  ]
  it('runs every slot once, when it comes, and the latest of those that it slept through', async () => {
    await map([
      aSchedule('DAILY', { startDate: '2027-01-01' }),
      aSchedule('DAILY', { startDate: '2027-09-01', endDate: '2027-11-01', startTime: '23:00' }),
      aSchedule('WEEKLY', { startDate: '2027-07-04', startTime: '00:00' }),
      aSchedule('MONTHLY', { startDate: '2027-05-31', startTime: '00:00' }),
      aSchedule('ONCE', { startDate: '2028-02-29' }),
    ])
    const ticks = [
      ...moments(
        mapped.map(({ schedule }) => schedule),
        DOWN,
      ),
    ]
    for (const at of ticks) {
      test.setTime(at)
      // Every time a process of its own: what it knows is in the database.
      await aScheduler(test).tick()
      await finishRuns(test)
    }
    for (const { schedule, runs } of runsOf(await scheduledRuns(test))) {
      const expected = Map.groupBy(slotsIn(schedule, BEGIN, END), (slot) =>
        ticks.find((tick) => tick >= slot),
      )
      expect(
        runs.map(({ dueAt, createdAt, missedSlots, isLate }) => ({ dueAt, createdAt, missedSlots, isLate })),
      ).toEqual(
        [...expected].map(([createdAt, slots]) => {
          const dueAt = slots.at(-1)!
          const isLate = createdAt!.getTime() - dueAt.getTime() > 5 * 60_000
          return { dueAt, createdAt, missedSlots: slots.length - 1, isLate }
        }),
      )
    }
  })
})

describe('a busy installation', () => {
  it('leaves no slot out, wherever schedulers and workers are interrupted', async () => {
    const random = randomNumbers(2027)
    const chance = (probability: number) => random() < probability
    const days: Partial<Record<Frequency, Partial<Schedule>>> = {
      ONCE: { startDate: '2027-07-31' },
      EVERY_3_HOURS: { startDate: '2027-12-20', endDate: '2028-03-15' },
      EVERY_6_HOURS: { startDate: '2027-10-01', endDate: '2028-03-15' },
    }
    const schedules = FREQUENCIES.map((frequency) =>
      aSchedule(frequency, { startDate: '2027-06-30', startTime: '05:00', ...days[frequency] }),
    )
    await map(schedules)
    const lease = runLease(test.database, 'prc_test')
    await test.database.life.register('prc_test')
    let schedulers = [aScheduler(test)]
    let downUntil = BEGIN
    for (const at of moments(schedules)) {
      if (chance(0.004)) downUntil = new Date(at.getTime() + Math.ceil(random() * 40) * HOUR)
      if (at < downUntil) continue
      test.setTime(at)
      if (chance(0.05)) schedulers = chance(0.8) ? [aScheduler(test)] : [aScheduler(test), aScheduler(test)]
      await Promise.all(schedulers.map(({ tick }) => tick()))
      for (let run = await lease.claim(at); run; run = await lease.claim(at)) {
        if (chance(0.25)) continue // its worker was killed: the next one finds it when the lease has run out
        const error = { code: 'REFUSED_WRITE', message: 'No.', retryable: false }
        const outcome = chance(0.1)
          ? ({ status: 'FAILED', error } as const)
          : ({ status: 'SUCCESS' } as const)
        await lease.end({ runId: run.id, fence: run.fence }, outcome, at)
      }
    }
    test.setTime(END)
    await finishRuns(test)
    await schedulers[0]?.tick()
    const all = await scheduledRuns(test)
    expect(all.some(({ isLate }) => isLate)).toBe(true)
    expect(all.some(({ missedSlots }) => missedSlots > 1)).toBe(true)
    expect(new Set(all.map(({ status }) => status))).toEqual(new Set(['SUCCESS', 'FAILED']))
    for (const { schedule, runs } of runsOf(all)) {
      let [before, endedAt] = [BEGIN, BEGIN]
      for (const { dueAt, createdAt, completedAt, missedSlots } of runs) {
        const slots = slotsIn(schedule, before, dueAt ?? BEGIN)
        expect(slots.at(-1)).toEqual(dueAt)
        expect(missedSlots).toBe(slots.length - 1)
        expect(createdAt >= before && createdAt >= endedAt, 'one at a time, in order').toBe(true)
        before = dueAt ?? before
        endedAt = completedAt ?? END
      }
      expect(slotsIn(schedule, before, END), 'left out at the end').toEqual([])
      expect(runs.length).toBeGreaterThan(slotsIn(schedule, BEGIN, END).length * 0.6)
    }
  }, 120_000)
})
