// Every destination has a lane of its own: how many runs are at it at once, and whether it is worth trying. What is in
// one lane holds up no other.
import type { Timer } from './timer.ts'

/** Failures in a row after which a destination is left alone for a while. */
const FAILURES = 5
const FIRST_PAUSE_MS = 15_000
const MAX_PAUSE_MS = 600_000

export type Lanes = ReturnType<typeof lanes>

interface Trouble {
  failures: number
  /** Until then no run is started; from then on one, to see. */
  pausedUntil: number
}

/** In this process alone: another one finds out for itself. */
export function lanes(timer: Timer, random: () => number = Math.random) {
  const active = new Map<string, { runs: number; limit: number }>()
  const troubles = new Map<string, Trouble>()

  const isFull = (id: string): boolean => {
    const lane = active.get(id)
    return lane !== undefined && lane.runs >= lane.limit
  }
  const isClosed = (id: string, { failures, pausedUntil }: Trouble): boolean =>
    failures >= FAILURES && (timer.now() < pausedUntil || active.has(id))

  return {
    /** The destinations for which no run may be started now. */
    closed(): string[] {
      const full = [...active.keys()].filter(isFull)
      const paused = [...troubles].filter(([id, trouble]) => isClosed(id, trouble)).map(([id]) => id)
      return [...new Set([...full, ...paused])]
    },
    /** A run of the destination is started, of which `limit` may be at a time. Gives what to call when it is over. */
    enter(id: string, limit: number): () => void {
      const lane = active.get(id) ?? { runs: 0, limit }
      active.set(id, lane)
      lane.runs += 1
      return () => {
        lane.runs -= 1
        if (lane.runs === 0) active.delete(id)
      }
    },
    /** It answered, whatever it said. */
    answered(id: string): void {
      troubles.delete(id)
    },
    /** It could not be reached, or is out of order. */
    failed(id: string): void {
      const failures = (troubles.get(id)?.failures ?? 0) + 1
      const pause = Math.min(FIRST_PAUSE_MS * 2 ** Math.max(0, failures - FAILURES), MAX_PAUSE_MS)
      troubles.set(id, { failures, pausedUntil: timer.now() + pause * (0.5 + random() / 2) })
    },
  }
}
