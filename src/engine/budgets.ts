// How many requests destinations allow in how long, kept for all deliveries of this process. Written out here, because
// waiting ends with the run that waits, one request may draw on several budgets, and tests drive the time.
import type { DeliveryTarget, PaceBudget } from '../destinations/driver.ts'
import type { Timer } from './timer.ts'

/** Requests travel for different times: what is sent in time must not arrive together with those of the next stretch. */
const MARGIN = 0.05
const MAX_MARGIN_MS = 1_000

export type Budgets = ReturnType<typeof budgets>

export function budgets(timer: Timer) {
  /** When the latest requests of each budget were made, as many as may be made in a stretch; the oldest first. */
  const made = new Map<string, number[]>()

  /** In any stretch, not in any calendar minute: a full one is not followed by a full one at once. */
  const freeAt = ({ requests, perMs }: PaceBudget, times: readonly number[]): number =>
    times.length < requests ? 0 : (times[0] ?? 0) + perMs + Math.min(perMs * MARGIN, MAX_MARGIN_MS)

  return {
    /** The pace of what belongs together: an account, or a destination without one. */
    paceOf(owner: string, signal: AbortSignal): DeliveryTarget['pace'] {
      return async (...budgets) => {
        const drawn = budgets.map((budget) => {
          const key = JSON.stringify([owner, budget.name])
          const times = made.get(key) ?? []
          made.set(key, times)
          return { budget, times }
        })
        for (;;) {
          signal.throwIfAborted()
          const now = timer.now()
          const wait = Math.max(...drawn.map(({ budget, times }) => freeAt(budget, times) - now))
          if (wait <= 0) break
          await timer.sleep(wait, signal)
        }
        for (const { budget, times } of drawn) {
          times.push(timer.now())
          if (times.length > budget.requests) times.shift()
        }
      }
    },
  }
}
