import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ExportMode, Frequency, Schedule } from '../../src/domain/model.ts'
import { checkSchedule, isInsideSchedule, type ScheduleInput } from '../../src/domain/schedule.ts'

const path = ['input', 'segments', '0', 'schedule']
const FREQUENCIES: Frequency[] = [
  'ONCE',
  'EVERY_3_HOURS',
  'EVERY_6_HOURS',
  'EVERY_8_HOURS',
  'EVERY_12_HOURS',
  'DAILY',
  'WEEKLY',
  'MONTHLY',
]
const daily = (input: Partial<ScheduleInput> = {}): ScheduleInput => ({
  frequency: 'DAILY',
  startDate: '2026-01-04',
  ...input,
})
const check = (input: ScheduleInput, mode: ExportMode = 'DAILY_FULL_EXPORT') =>
  checkSchedule(input, mode, path)
const badFields = (input: ScheduleInput, mode?: ExportMode) => {
  const result = check(input, mode)
  return 'errors' in result ? result.errors.map((error) => error.path.at(-1)) : []
}

describe('checkSchedule', () => {
  it('fills in trigger, end date and start time', () => {
    expect(check(daily())).toEqual({
      schedule: {
        frequency: 'DAILY',
        trigger: 'SCHEDULED',
        startDate: '2026-01-04',
        endDate: null,
        startTime: '00:00',
      },
    })
  })

  it('stores no start time after the evaluation', () => {
    expect(check(daily({ trigger: 'AFTER_SEGMENT_EVALUATION' }))).toMatchObject({
      schedule: { startTime: null },
    })
    expect(badFields(daily({ trigger: 'AFTER_SEGMENT_EVALUATION', startTime: '01:00' }))).toEqual([
      'startTime',
    ])
  })

  it('lets each frequency go with its export modes only', () => {
    const pairs = FREQUENCIES.flatMap((frequency) =>
      (['DAILY_FULL_EXPORT', 'FIRST_FULL_THEN_INCREMENTAL'] as const)
        .filter((mode) => 'schedule' in check(daily({ frequency }), mode))
        .map((mode) => `${frequency} ${mode === 'DAILY_FULL_EXPORT' ? 'full' : 'incremental'}`),
    )
    expect(pairs).toEqual([
      'ONCE full',
      'EVERY_3_HOURS incremental',
      'EVERY_6_HOURS incremental',
      'EVERY_8_HOURS incremental',
      'EVERY_12_HOURS incremental',
      'DAILY full',
      'DAILY incremental',
      'WEEKLY full',
      'MONTHLY full',
    ])
  })

  it('follows the evaluation for full exports ONCE or DAILY only', () => {
    const trigger = 'AFTER_SEGMENT_EVALUATION'
    expect(badFields(daily({ frequency: 'ONCE', trigger }))).toEqual([])
    for (const frequency of ['WEEKLY', 'MONTHLY'] as const)
      expect(badFields(daily({ frequency, trigger }))).toEqual(['trigger'])
    expect(badFields(daily({ trigger }), 'FIRST_FULL_THEN_INCREMENTAL')).toEqual(['trigger'])
  })

  it.each([
    '2023-02-30',
    '2023-02-29',
    '2100-02-29',
    '2026-13-01',
    '2026-00-01',
    '2026-01-00',
    '2026-04-31',
    '1969-12-31',
    '10000-01-01',
    '2026-1-1',
    '2026-01-01T00:00:00Z',
    ' 2026-01-01',
    '２026-01-01',
    '',
  ])('refuses the day %j', (startDate) => {
    expect(badFields(daily({ startDate }))).toEqual(['startDate'])
    expect(badFields(daily({ endDate: startDate }))).toEqual(['endDate'])
  })

  it.each(['24:00', '9:00', '09:30', '09:00:00', '-1:00', '', 'noon'])('refuses the hour %j', (startTime) => {
    expect(badFields(daily({ startTime }))).toEqual(['startTime'])
  })

  it('takes an end date after the start date, but not for a full export that runs once', () => {
    expect(badFields(daily({ endDate: '2026-01-05' }))).toEqual([])
    expect(badFields(daily({ endDate: '2026-01-04' }))).toEqual(['endDate'])
    expect(badFields(daily({ endDate: '2025-12-31' }))).toEqual(['endDate'])
    expect(badFields(daily({ frequency: 'ONCE', endDate: '2026-02-01' }))).toEqual(['endDate'])
  })

  it('tells everything that is wrong at once, with its place', () => {
    const result = check(
      daily({ frequency: 'EVERY_3_HOURS', startDate: '2023-02-30', endDate: 'x', startTime: '12:15' }),
    )
    expect('errors' in result && result.errors.map((error) => error.path)).toEqual(
      ['frequency', 'startDate', 'endDate', 'startTime'].map((field) => [...path, field]),
    )
  })

  it('agrees with the calendar on every day', () => {
    const part = (max: number) => fc.integer({ min: 0, max }).map((n) => String(n).padStart(2, '0'))
    const date = fc.tuple(fc.integer({ min: 1970, max: 9999 }), part(13), part(32)).map((t) => t.join('-'))
    fc.assert(
      fc.property(date, (startDate) => {
        const day = new Date(`${startDate}T00:00:00.000Z`)
        const exists = !Number.isNaN(day.getTime()) && day.toISOString().startsWith(startDate)
        expect('schedule' in check(daily({ startDate }))).toBe(exists)
      }),
      { numRuns: 500 },
    )
  })
})

describe('isInsideSchedule', () => {
  const schedule = (input: Partial<Schedule>): Schedule => ({
    frequency: 'DAILY',
    trigger: 'SCHEDULED',
    startDate: '2026-01-04',
    endDate: null,
    startTime: '00:00',
    ...input,
  })

  it('begins on the start date and ends the day before the end date, in UTC', () => {
    const span = schedule({ endDate: '2026-01-11' })
    expect(isInsideSchedule(span, new Date('2026-01-03T23:59:59.999Z'))).toBe(false)
    expect(isInsideSchedule(span, new Date('2026-01-04T00:00:00.000Z'))).toBe(true)
    expect(isInsideSchedule(span, new Date('2026-01-10T23:59:59.999Z'))).toBe(true)
    expect(isInsideSchedule(span, new Date('2026-01-11T00:00:00.000Z'))).toBe(false)
  })

  it('has no end for a schedule without an end date', () => {
    expect(isInsideSchedule(schedule({ frequency: 'ONCE' }), new Date('2200-01-01'))).toBe(true)
  })

  it('agrees with walking through the days one by one', () => {
    const start = Date.UTC(2024, 1, 25)
    const day = 86_400_000
    const isoDay = (n: number) => new Date(start + n * day).toISOString().slice(0, 10)
    const walk = (from: number, until: number | null, today: number) => {
      for (let n = from; n < (until ?? today + 1); n++) if (isoDay(n) === isoDay(today)) return true
      return false
    }
    const offset = fc.integer({ min: 0, max: 20 })
    fc.assert(
      fc.property(
        offset,
        fc.option(offset),
        offset,
        fc.integer({ min: 0, max: day - 1 }),
        (from, length, today, ms) => {
          const until = length === null ? null : from + length + 1
          const span = schedule({ startDate: isoDay(from), endDate: until === null ? null : isoDay(until) })
          expect(isInsideSchedule(span, new Date(start + today * day + ms))).toBe(walk(from, until, today))
        },
      ),
    )
  })
})
