// Whole runs to ActiveCampaign: the engine, the driver and the limits of the account, in virtual time.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { virtualGateway } from '../support/activecampaign/virtual-gateway.ts'

const MINUTE = 60_000

let gateway: Awaited<ReturnType<typeof virtualGateway>>
beforeEach(async () => {
  gateway = await virtualGateway({ latencyMs: 100 })
})
afterEach(() => gateway.dispose())

const emails = (count: number, from = 0) =>
  Array.from({ length: count }, (_, n) => `p${from + n}@example.org`)
const contacts = () => [...gateway.emulator.data.contacts.values()]

describe('a run to ActiveCampaign', () => {
  it('takes the time that the limits of the account allow, and breaks none', async () => {
    const { id } = await gateway.run(emails(60_000)) // 240 imports
    expect(await gateway.ended(id)).toMatchObject({
      status: 'SUCCESS',
      exported: 60_000,
      failed: 0,
      attempt: 1,
    })
    expect(contacts()).toHaveLength(60_000)
    expect(gateway.refused()).toEqual([])
    const minutes = gateway.clock.now() / MINUTE
    // A hundred at once, a hundred a minute later, the rest after another one.
    expect(minutes).toBeGreaterThan(2)
    expect(minutes).toBeLessThan(2.8)
  }, 60_000)

  it('goes on where it stood after every kind of trouble, and leaves out only whom it has to', async () => {
    const { emulator } = gateway
    emulator.failNext(/bulk_import/, 'HALF_THEN_500', 'CUT_AFTER', {
      status: 429,
      headers: { 'Retry-After': '1' },
    })
    // The first batch is taken twice, because its first answer is lost.
    emulator.imports.fates.push('completed', 'completed', 'interrupted')
    emulator.data.bounced.add('p3@example.org')
    const all = emails(1_500)
    all[700] = 'odd..one@example.org'
    all[701] = 'no address'
    const { id } = await gateway.run(all)
    const run = await gateway.ended(id)
    expect(run).toMatchObject({ status: 'SUCCESS', received: 1_500, failed: 253, exported: 1_247 })
    expect(contacts()).toHaveLength(1_500 - 2 - 1 - 125) // half of the interrupted batch is there
    expect(contacts().every(({ lists }) => lists.join() === '1')).toBe(true)
  }, 60_000)
})
