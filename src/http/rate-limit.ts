import type { Clock } from '../domain/ports.ts'
import type { RateState } from '../graphql/context.ts'

/** How many keys are remembered at once; more of them share what is left. */
const MAX_KEYS = 10_000

/** Counts events per key in windows of a fixed length. */
export function rateLimiter(options: { limit: number; windowMs: number; clock: Clock }) {
  const { limit, windowMs, clock } = options
  const counts = new Map<string, number>()
  let resetAt = 0

  const turn = () => {
    const now = clock().getTime()
    if (now < resetAt) return
    counts.clear()
    resetAt = now + windowMs
  }

  return {
    /** Counts one event. `isAllowed` is false for those beyond the limit. */
    take(key: string): RateState & { isAllowed: boolean } {
      turn()
      const place = counts.has(key) || counts.size < MAX_KEYS ? key : ''
      const count = (counts.get(place) ?? 0) + 1
      counts.set(place, count)
      return {
        limit,
        remaining: Math.max(0, limit - count),
        resetAt: new Date(resetAt),
        isAllowed: count <= limit,
      }
    },
  }
}
