// What the ways to deliver have in common in how they tell of their progress.
import type { RunCounters } from '../domain/model.ts'

/** At most ten progress events a second for a run. */
export const EVENT_MS = 100
/** Keeps the event loop free while most of a segment is refused. */
export const REJECTED_AT_ONCE = 250

/** What watchers see never goes backwards, also when an attempt begins again. */
export function notBelow(shown: RunCounters, counters: RunCounters): RunCounters {
  const highest = (name: keyof RunCounters) => Math.max(shown[name], counters[name])
  return {
    received: highest('received'),
    exported: highest('exported'),
    excluded: highest('excluded'),
    failed: highest('failed'),
    bytes: highest('bytes'),
    files: highest('files'),
  }
}
