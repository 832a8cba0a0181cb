import type { Clock } from '../domain/ports.ts'
import type { RateState } from '../graphql/context.ts'

/** How many keys are remembered at once; more of them share what is left. */
const MAX_KEYS = 10_000
const MINUTE = 60_000
const FAILURES_PER_MINUTE = 30

/** The limits of a server, counted once for all its routes. */
export interface Limits {
  /** What a token may ask in a minute, over HTTP and WebSocket together. */
  requests: RateLimiter
  /** Wrong tokens and secrets, per address and per client. Whoever shows a good one is not held up by them. */
  failures: RateLimiter
}
export type RateLimiter = ReturnType<typeof rateLimiter>

export function newLimits({ clock, requestsPerMinute }: { clock: Clock; requestsPerMinute: number }): Limits {
  return {
    requests: rateLimiter({ limit: requestsPerMinute, windowMs: MINUTE, clock }),
    failures: rateLimiter({ limit: FAILURES_PER_MINUTE, windowMs: MINUTE, clock }),
  }
}

/** Counts events per key in windows of a fixed length. */
export function rateLimiter(options: { limit: number; windowMs: number; clock: Clock }) {
  const { limit, windowMs, clock } = options
  const counts = new Map<string, number>()
  let endsAt = 0

  return {
    /** Counts one event. `isAllowed` is false for those beyond the limit. */
    take(key: string): RateState & { isAllowed: boolean } {
      const now = clock().getTime()
      // A clock that was set back would make this window last until then.
      if (now >= endsAt || now < endsAt - windowMs) {
        counts.clear()
        endsAt = now + windowMs
      }
      const place = counts.has(key) || counts.size < MAX_KEYS ? key : ''
      const count = (counts.get(place) ?? 0) + 1
      counts.set(place, count)
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
