import fc from 'fast-check'
import { expect, it } from 'vitest'
import { isoTime } from '../../src/graphql/iso-time.ts'

it('writes every moment from 1970 to 9999 as toISOString does', () => {
  const moment = fc.date({
    min: new Date(0),
    max: new Date('9999-12-31T23:59:59.999Z'),
    noInvalidDate: true,
  })
  fc.assert(
    fc.property(moment, (date) => {
      expect(isoTime(date)).toBe(date.toISOString())
    }),
    { numRuns: 2000 },
  )
})
