import type { DeliveryTarget } from '../../../src/destinations/driver.ts'
import type { virtualClock } from '../virtual-clock.ts'
import { slidingWindow } from './window.ts'

/** What the engine does between a driver's requests, in virtual time. */
export function virtualPace(clock: ReturnType<typeof virtualClock>): DeliveryTarget['pace'] {
  const known = new Map<string, ReturnType<typeof slidingWindow>>()
  return async (...budgets) => {
    const windows = budgets.map(({ name, requests, perMs }) => {
      const window = known.get(name) ?? slidingWindow(requests, perMs)
      known.set(name, window)
      return window
    })
    const longest = () => Math.max(...windows.map((window) => window.waitMs(clock.now())))
    for (let waitMs = longest(); waitMs > 0; waitMs = longest()) clock.advance(waitMs)
    for (const window of windows) window.take(clock.now())
  }
}
