import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ExportMode, Schedule } from '../../src/domain/model.ts'
import { checkSchedule, nextDue, type ScheduleInput } from '../../src/domain/schedule.ts'
import { isInsideSchedule, latestSlot } from '../../src/domain/slots.ts'
import { FREQUENCIES, isSlot, slotsIn } from '../support/slots-oracle.ts'

const path = ['input', 'segments', '0', 'schedule']
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

const stored = (input: Partial<Schedule>): Schedule => ({
  frequency: 'DAILY',
  trigger: 'SCHEDULED',
  startDate: '2026-01-04',
  endDate: null,
  startTime: '00:00',
  ...input,
})

describe('isInsideSchedule', () => {
  it('begins on the start date and ends the day before the end date, in UTC', () => {
    const span = stored({ endDate: '2026-01-11' })
    expect(isInsideSchedule(span, new Date('2026-01-03T23:59:59.999Z'))).toBe(false)
    expect(isInsideSchedule(span, new Date('2026-01-04T00:00:00.000Z'))).toBe(true)
    expect(isInsideSchedule(span, new Date('2026-01-10T23:59:59.999Z'))).toBe(true)
    expect(isInsideSchedule(span, new Date('2026-01-11T00:00:00.000Z'))).toBe(false)
  })

  it('has no end for a schedule without an end date', () => {
    expect(isInsideSchedule(stored({ frequency: 'ONCE' }), new Date('2200-01-01'))).toBe(true)
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
          const span = stored({ startDate: isoDay(from), endDate: until === null ? null : isoDay(until) })
          expect(isInsideSchedule(span, new Date(start + today * day + ms))).toBe(walk(from, until, today))
        },
      ),
    )
  })
})

describe('nextDue', () => {
  const due = (input: Partial<Schedule>, now: string) =>
    nextDue([stored(input)], new Date(now))?.toISOString()

  it.each([
    ['ONCE', '2026-01-01T00:00:00.000Z', '2026-01-04T06:00:00.000Z'],
    ['ONCE', '2026-01-04T06:00:00.000Z', undefined],
    ['DAILY', '2026-01-04T05:59:59.999Z', '2026-01-04T06:00:00.000Z'],
    ['DAILY', '2026-01-04T06:00:00.000Z', '2026-01-05T06:00:00.000Z'],
    ['EVERY_3_HOURS', '2026-01-04T06:00:00.001Z', '2026-01-04T09:00:00.000Z'],
    ['EVERY_6_HOURS', '2026-01-04T23:00:00.000Z', '2026-01-05T00:00:00.000Z'],
    ['EVERY_8_HOURS', '2026-01-04T14:30:00.000Z', '2026-01-04T22:00:00.000Z'],
    ['EVERY_12_HOURS', '2026-01-04T18:00:00.000Z', '2026-01-05T06:00:00.000Z'],
    ['WEEKLY', '2026-01-04T06:00:00.000Z', '2026-01-11T06:00:00.000Z'],
    ['MONTHLY', '2026-01-04T06:00:00.000Z', '2026-02-04T06:00:00.000Z'],
    ['MONTHLY', '2026-12-04T06:00:00.000Z', '2027-01-04T06:00:00.000Z'],
  ] as const)('%s is due after %s at %s', (frequency, now, expected) => {
    expect(due({ frequency, startTime: '06:00' }, now)).toBe(expected)
  })

  it('is due on the last day of a month that lacks the day', () => {
    const monthly = { frequency: 'MONTHLY', startDate: '2027-12-31' } as const
    expect(due(monthly, '2028-01-31T00:00:00.000Z')).toBe('2028-02-29T00:00:00.000Z')
    expect(due(monthly, '2028-02-29T00:00:00.000Z')).toBe('2028-03-31T00:00:00.000Z')
    expect(due(monthly, '2028-03-31T12:00:00.000Z')).toBe('2028-04-30T00:00:00.000Z')
  })

  it('is not due any more from the end date on', () => {
    const span = { endDate: '2026-01-11', startTime: '06:00' }
    expect(due(span, '2026-01-10T05:00:00.000Z')).toBe('2026-01-10T06:00:00.000Z')
    expect(due(span, '2026-01-10T06:00:00.000Z')).toBeUndefined()
    expect(due({ ...span, frequency: 'EVERY_12_HOURS' }, '2026-01-10T06:00:00.000Z')).toBe(
      '2026-01-10T18:00:00.000Z',
    )
  })

  it('is unknown after the evaluation, and for no schedule; the earliest of many', () => {
    const afterEvaluation = stored({ trigger: 'AFTER_SEGMENT_EVALUATION', startTime: null })
    const now = new Date('2026-02-01T12:00:00.000Z')
    expect(nextDue([afterEvaluation], now)).toBeNull()
    expect(nextDue([], now)).toBeNull()
    const many = [afterEvaluation, stored({}), stored({ startTime: '18:00' })]
    expect(nextDue(many, now)).toEqual(new Date('2026-02-01T18:00:00.000Z'))
  })

  const HOUR = 3_600_000
  const start = Date.UTC(2024, 0, 1)
  const hours = (max: number) => fc.integer({ min: 0, max: max * 24 })
  const anySchedule = fc
    .record({
      frequency: fc.constantFrom(...FREQUENCIES),
      from: hours(70),
      days: fc.option(fc.integer({ min: 1, max: 90 })),
    })
    .map(({ frequency, from, days }) => {
      const first = new Date(start + from * HOUR).toISOString()
      const day = Date.parse(first.slice(0, 10))
      const endDate = days === null ? null : new Date(day + days * 24 * HOUR).toISOString().slice(0, 10)
      return stored({ frequency, startDate: first.slice(0, 10), startTime: first.slice(11, 16), endDate })
    })

  it('agrees with walking through the hours one by one', () => {
    fc.assert(
      fc.property(anySchedule, hours(80), fc.integer({ min: 0, max: HOUR - 1 }), (schedule, hour, ms) => {
        const now = start + hour * HOUR + ms
        let expected: Date | null = null
        for (let at = start + (hour + 1) * HOUR; at <= start + 200 * 24 * HOUR && !expected; at += HOUR)
          if (isSlot(schedule, new Date(at))) expected = new Date(at)
        expect(nextDue([schedule], new Date(now))).toEqual(expected)
      }),
      { numRuns: 500 },
    )
  })

  it('finds the latest of any stretch of time, and how many came before it', () => {
    const moment = fc
      .tuple(hours(80), fc.integer({ min: 0, max: HOUR - 1 }))
      .map(([hour, ms]) => new Date(start + hour * HOUR + ms))
    fc.assert(
      fc.property(anySchedule, moment, moment, (schedule, one, other) => {
        const [after, upTo] = one < other ? [one, other] : [other, one]
        const slots = slotsIn(schedule, after, upTo)
        const expected = slots.length === 0 ? null : { dueAt: slots.at(-1), missed: slots.length - 1 }
        expect(latestSlot(schedule, after, upTo)).toEqual(expected)
      }),
      { numRuns: 500 },
    )
  })
})
