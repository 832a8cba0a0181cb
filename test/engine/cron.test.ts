import fc from 'fast-check'
import { expect, it } from 'vitest'
import { cron } from '../../src/cron.ts'

const MINUTE = 60_000

it('is UTC, and knows leap days and the ends of months', () => {
  const leap = cron('30 6 29 2 *')
  expect(leap.next(new Date('2026-01-01'))).toEqual(new Date('2028-02-29T06:30:00Z'))
  expect(leap.latest(new Date('2026-01-01'))).toEqual(new Date('2024-02-29T06:30:00Z'))
  expect(cron('0 0 L * *').next(new Date('2027-02-01'))).toEqual(new Date('2027-02-28'))
})

it('has a next time after a moment and a latest one up to it, as looking at every minute would find', () => {
  const time = fc.integer({ min: Date.UTC(2026, 0), max: Date.UTC(2030, 0) })
  fc.assert(
    fc.property(fc.nat(59), fc.nat(23), time, (minute, hour, moment) => {
      const isIt = (at: number) =>
        new Date(at).getUTCMinutes() === minute && new Date(at).getUTCHours() === hour
      let latest = Math.floor(moment / MINUTE) * MINUTE
      let next = latest + MINUTE
      while (!isIt(latest)) latest -= MINUTE
      while (!isIt(next)) next += MINUTE
      const times = cron(`${minute} ${hour} * * *`)
      expect(times.latest(new Date(moment))?.getTime()).toBe(latest)
      expect(times.next(new Date(moment))?.getTime()).toBe(next)
      // The time itself is one that has come.
      expect(times.latest(new Date(next))?.getTime()).toBe(next)
      expect(times.next(new Date(latest))?.getTime()).toBe(next)
    }),
    { numRuns: 50 },
  )
})
