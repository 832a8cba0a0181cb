// Gateways that count together: each in memory, all in the database.
import { afterEach, beforeEach, expect, it } from 'vitest'
import { limitsTogether } from '../../src/http/limits-together.ts'
import { type Limits, newLimits } from '../../src/http/rate-limit.ts'
import { silent, type TestDatabase, testDatabase } from '../support/database.ts'

const NOON = new Date('2026-11-22T12:00:00Z')
const LIMIT = 1_000
const STEP = LIMIT / 20
let test: TestDatabase
let now: Date
const stops: (() => Promise<void>)[] = []
beforeEach(async () => {
  test = await testDatabase()
  now = NOON
})
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
  await test.dispose()
})

function aGateway(): Limits & { told(): Promise<void> } {
  const clock = () => now
  const together = limitsTogether({ database: test.database, clock, log: silent })
  const limits = newLimits({ clock, requestsPerMinute: LIMIT, onUntold: together.tellSoon })
  together.start(limits)
  stops.push(together.stop)
  return { ...limits, told: together.told }
}
const rows = () => test.database.db.select().from(test.database.tables.rateCounts)

it('let one token through no oftener than its limit, but for a twentieth of it each', async () => {
  const gateways = [aGateway(), aGateway(), aGateway()]
  let allowed = 0
  // Some come here, some there.
  for (let round = 0; round < 2 * LIMIT; round += 10) {
    for (let n = 0; n < 10; n += 1) {
      const gateway = gateways[(round + n) % 3]
      if (gateway?.requests.take('token').isAllowed) allowed += 1
    }
    for (const { told } of gateways) await told()
  }
  expect(allowed).toBeGreaterThanOrEqual(LIMIT)
  expect(allowed).toBeLessThanOrEqual(LIMIT + 3 * STEP)
  // All know of it by now, and none asks the database any more.
  for (const gateway of gateways)
    expect(gateway.requests.take('token')).toMatchObject({ isAllowed: false, remaining: 0 })
  expect(gateways[0]?.requests.take('another')).toMatchObject({ isAllowed: true, remaining: LIMIT - 1 })
})

it('count wrong tokens of an address together, keep no address, and begin again with the minute', async () => {
  const [one, two] = [aGateway(), aGateway()]
  for (let n = 0; n < 30; n += 1) expect(one.failures.take('192.0.2.7').isAllowed).toBe(true)
  two.failures.take('192.0.2.7')
  await expect.poll(() => two.failures.take('192.0.2.7').isAllowed, { timeout: 5_000 }).toBe(false)
  expect(JSON.stringify(await rows())).not.toContain('192.0.2')
  now = new Date(NOON.getTime() + 60_000)
  expect(two.failures.take('192.0.2.7')).toMatchObject({ isAllowed: true, remaining: 29, secondsLeft: 60 })
  now = new Date(NOON.getTime() + 180_001)
  one.failures.take('192.0.2.7')
  await expect
    .poll(async () => (await rows()).every(({ endsAt }) => endsAt > NOON), { timeout: 5_000 })
    .toBe(true)
})

it('count each for itself while the database is away', async () => {
  const { batch } = test.database
  Object.assign(test.database, { batch: () => Promise.reject(new Error('away')) })
  const [one, two] = [aGateway(), aGateway()]
  for (let n = 0; n < LIMIT; n += 1) one.requests.take('token')
  expect(one.requests.take('token').isAllowed).toBe(false)
  expect(two.requests.take('token').isAllowed).toBe(true)
  Object.assign(test.database, { batch })
})
