import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { estimateOf, type ProgressFacts, percentOf, rateOf } from '../../src/domain/progress.ts'
import { checkJson, parseBigInt, parseDate, parseDateTime } from '../../src/graphql/scalars.ts'

describe('DateTime', () => {
  it('reads what it writes, for every moment from 1970 to 9999', () => {
    const moments = fc.date({
      min: new Date(0),
      max: new Date('9999-12-31T23:59:59.999Z'),
      noInvalidDate: true,
    })
    fc.assert(
      fc.property(moments, (date) => {
        expect(parseDateTime(date.toISOString())).toEqual(date)
      }),
    )
  })

  it('takes any offset', () => {
    expect(parseDateTime('2026-11-22T10:30:00+01:00').toISOString()).toBe('2026-11-22T09:30:00.000Z')
    expect(parseDateTime('2026-11-22t09:30:00.123456z').toISOString()).toBe('2026-11-22T09:30:00.123Z')
  })

  it.each([
    '',
    '2026-11-22',
    '2026-11-22 09:30:00Z',
    '2026-11-22T09:30:00',
    '2026-02-30T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-11-22T24:00:00Z',
    '2026-12-31T23:59:60Z',
    '1969-12-31T23:59:59Z',
    '10000-01-01T00:00:00Z',
    '9999-12-31T23:59:59-01:00',
    '1970-01-01T00:00:00+01:00',
    '2026-11-22T09:30:00+24:00',
    'now',
    1764000000000,
    null,
    true,
    {},
  ])('refuses %j', (value) => {
    expect(() => parseDateTime(value)).toThrow('DateTime must be')
  })
})

it('Date takes days that exist', () => {
  expect(parseDate('2028-02-29')).toBe('2028-02-29')
  for (const value of ['2026-02-29', '2026-2-1', '0000-01-01', '2026-11-22T00:00:00Z', 20261122, null]) {
    expect(() => parseDate(value)).toThrow('Date must be')
  }
})

it('BigInt is exact or refused', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      expect(parseBigInt(String(value))).toBe(value)
    }),
  )
  for (const value of [
    '9007199254740993',
    '1e5',
    '',
    ' 1',
    '1.5',
    1.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    true,
    null,
  ]) {
    expect(() => parseBigInt(value)).toThrow('BigInt must be')
  }
})

it('JSON refuses what would reach a prototype, and what nests too deep', () => {
  expect(() => checkJson(JSON.parse('{"a":[{"__proto__":{"admin":true}}]}'))).toThrow('__proto__')
  const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)])
  expect(checkJson(nested(20))).toEqual(nested(20))
  expect(() => checkJson(nested(21))).toThrow('20 deep')
})

describe('Progress', () => {
  const facts = (changes: Partial<ProgressFacts>): ProgressFacts => ({
    total: 100,
    received: 25,
    exported: 20,
    excluded: 5,
    failed: 0,
    bytes: 0,
    files: 0,
    startedAt: new Date(0),
    at: new Date(5_000),
    state: 'RUNNING',
    ...changes,
  })

  it('tells share, rate and end while running', () => {
    expect(percentOf(facts({}))).toBe(25)
    expect(rateOf(facts({}))).toBe(5)
    expect(estimateOf(facts({}))).toEqual(new Date(20_000))
  })

  it('tells null for what is unknown, never 0', () => {
    expect(percentOf(facts({ total: null }))).toBeNull()
    expect(percentOf(facts({ total: 0, received: 0 }))).toBeNull()
    expect(rateOf(facts({ received: 0 }))).toBeNull()
    expect(rateOf(facts({ startedAt: null }))).toBeNull()
    expect(rateOf(facts({ at: new Date(0) }))).toBeNull()
    expect(rateOf(facts({ state: 'DONE' }))).toBeNull()
    expect(estimateOf(facts({ total: null }))).toBeNull()
    expect(estimateOf(facts({ total: Number.MAX_SAFE_INTEGER, received: 1 }))).toBeNull()
  })

  it('never passes 100, and is 100 for nothing at all when done', () => {
    expect(percentOf(facts({ received: 120 }))).toBe(100)
    expect(percentOf(facts({ total: 0, received: 0, state: 'DONE' }))).toBe(100)
  })
})
