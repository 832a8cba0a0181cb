import { describe, expect, it } from 'vitest'
import { budgets } from '../../src/engine/budgets.ts'
import { systemTimer } from '../../src/engine/timer.ts'
import { skippingTimer } from '../support/timers.ts'

const MINUTE = 60_000
const hundred = { name: 'imports', requests: 100, perMs: MINUTE }
const never = new AbortController().signal

/** The most that fall into any stretch of time. */
function mostWithin(times: readonly number[], perMs: number): number {
  return Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + perMs).length))
}

describe('a budget', () => {
  it('allows no more in any stretch of time, and not much less', async () => {
    const timer = skippingTimer()
    const pace = budgets(timer).paceOf('acc_1', never)
    const times: number[] = []
    for (let n = 0; n < 1_000; n += 1) {
      await pace(hundred)
      times.push(timer.now())
    }
    expect(mostWithin(times, MINUTE)).toBe(100)
    expect(timer.now()).toBeLessThan(9.5 * MINUTE)
  })

  it('is shared by all runs of an account, and by nobody else', async () => {
    const timer = skippingTimer()
    const all = budgets(timer)
    const [mine, also, theirs] = ['acc_1', 'acc_1', 'acc_2'].map((owner) => all.paceOf(owner, never))
    for (let n = 0; n < 50; n += 1) await Promise.all([mine?.(hundred), also?.(hundred)])
    expect(timer.now()).toBe(0)
    await theirs?.(hundred)
    await mine?.({ ...hundred, name: 'polls' })
    expect(timer.now()).toBe(0)
    await also?.(hundred)
    expect(timer.now()).toBeGreaterThanOrEqual(MINUTE)
  })

  it('counts a request in all that it draws on, at the moment that all have room', async () => {
    const timer = skippingTimer()
    const pace = budgets(timer).paceOf('acc_1', never)
    const five = { name: 'requests', requests: 5, perMs: 1_000 }
    const times: number[] = []
    for (let n = 0; n < 200; n += 1) {
      await pace(hundred, five)
      times.push(timer.now())
    }
    expect([mostWithin(times, 1_000), mostWithin(times, MINUTE)]).toEqual([5, 100])
    // What waits for one budget takes nothing from the other.
    const [import_, poll] = [pace(hundred, five), pace(five)]
    await poll
    expect(timer.now()).toBeLessThan(2 * MINUTE)
    await import_
    expect(timer.now()).toBeGreaterThan(2 * MINUTE)
  })

  it('lets whoever is stopped go, with the reason', async () => {
    const stop = new AbortController()
    const pace = budgets(systemTimer).paceOf('acc_1', stop.signal)
    const one = { name: 'imports', requests: 1, perMs: MINUTE }
    await pace(one)
    const waiting = pace(one)
    stop.abort(new Error('cancelled'))
    await expect(waiting).rejects.toThrow('cancelled')
    await expect(pace(one)).rejects.toThrow('cancelled')
  })
})
