/**
 * Milliseconds that a `Retry-After` header asks to wait: seconds, or a date. Null without one, or for one that says
 * nothing sensible; at most a day.
 */
export function retryAfterMs(header: string | null | undefined, now = Date.now()): number | null {
  if (!header) return null
  const ms = /^\s*\d+\s*$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now
  return Number.isNaN(ms) ? null : Math.min(Math.max(ms, 0), 24 * 3_600_000)
}
