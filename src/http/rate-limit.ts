import type { Clock } from '../domain/ports.ts'
import type { RateState } from '../graphql/context.ts'

/** How many keys are remembered at once; more of them share what is left. */
const MAX_KEYS = 10_000
const MINUTE = 60_000
const FAILURES_PER_MINUTE = 30
/** Of a limit: gateways that count together tell each other at the latest after so much. */
const MAX_UNTOLD = 0.05

/** The limits of a server, counted once for all its routes. */
export interface Limits {
  /** What a token may ask in a minute, over HTTP and WebSocket together. */
  requests: RateLimiter
  /** Wrong tokens and secrets, per address and per client. Whoever shows a good one is not held up by them. */
  failures: RateLimiter
}
export type RateLimiter = ReturnType<typeof rateLimiter>

/** @param onUntold given where others count the same; see `rateLimiter` */
export function newLimits(options: {
  clock: Clock
  requestsPerMinute: number
  onUntold?: () => void
}): Limits {
  const { requestsPerMinute, ...others } = options
  return {
    requests: rateLimiter({ limit: requestsPerMinute, windowMs: MINUTE, ...others }),
    failures: rateLimiter({ limit: FAILURES_PER_MINUTE, windowMs: MINUTE, ...others }),
  }
}

/** What one limiter has to tell others, and is told by them. */
export interface RateCounts {
  /** The keys that were counted since they were last asked for, with their counts in the window of now. */
  news(): { endsAt: Date; counts: Map<string, number> }
  /** What others have counted for these keys in a window. */
  learn(endsAt: Date, counts: ReadonlyMap<string, number>): void
}

/**
 * Counts events per key in windows of a fixed length.
 * @param onUntold called when so much was counted for a key, and not asked for, that others should hear of it soon
 */
export function rateLimiter(options: {
  limit: number
  windowMs: number
  clock: Clock
  onUntold?: () => void
}) {
  const { limit, windowMs, clock, onUntold } = options
  const maxUntold = Math.ceil(limit * MAX_UNTOLD)
  const counts = new Map<string, number>()
  const elsewhere = new Map<string, number>()
  const untold = new Map<string, number>()
  let endsAt = 0
  const begin = (end: number) => {
    counts.clear()
    elsewhere.clear()
    untold.clear()
    endsAt = end
  }

  return {
    news(): ReturnType<RateCounts['news']> {
      const told = new Map([...untold.keys()].map((key) => [key, counts.get(key) ?? 0]))
      untold.clear()
      return { endsAt: new Date(endsAt), counts: told }
    },
    learn(of: Date, others: ReadonlyMap<string, number>): void {
      if (of.getTime() === endsAt) for (const [key, count] of others) elsewhere.set(key, count)
    },
    /** Counts one event. `isAllowed` is false for those beyond the limit. */
    take(key: string): RateState & { isAllowed: boolean } {
      const now = clock().getTime()
      // A clock that was set back would make this window last until then.
      if (now >= endsAt || now < endsAt - windowMs) {
        // Those who count together have the same windows.
        begin(onUntold ? now - (now % windowMs) + windowMs : now + windowMs)
      }
      const place = counts.has(key) || counts.size < MAX_KEYS ? key : ''
      const own = (counts.get(place) ?? 0) + 1
      counts.set(place, own)
      const count = own + (elsewhere.get(place) ?? 0)
      if (onUntold && count <= limit + 1) {
        const more = (untold.get(place) ?? 0) + 1
        untold.set(place, more)
        if (more === maxUntold) onUntold()
      }
      return {
        limit,
        remaining: Math.max(0, limit - count),
        resetAt: new Date(endsAt),
        secondsLeft: Math.ceil((endsAt - now) / 1000),
        isAllowed: count <= limit,
      }
    },
  }
}

/** The three headers that clients know (draft-ietf-httpapi-ratelimit-headers, up to its version 07). */
export function rateHeaders({ limit, remaining, secondsLeft }: RateState): Record<string, string> {
  return {
    'ratelimit-limit': String(limit),
    'ratelimit-remaining': String(remaining),
    'ratelimit-reset': String(secondsLeft),
  }
}
