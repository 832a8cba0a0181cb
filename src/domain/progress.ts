// What can be reckoned of how far a run or a segmentation job is.
import type { RunStatus } from './model.ts'

export interface ProgressFacts {
  total: number | null
  received: number
  exported: number
  excluded: number
  failed: number
  bytes: number
  files: number
  startedAt: Date | null
  /** The moment that the counters are of. */
  at: Date
  state: 'WAITING' | 'RUNNING' | 'DONE'
}

/** 0 to 100, or null while the total is unknown. */
export function percentOf({ total, received, state }: ProgressFacts): number | null {
  if (total === null) return null
  if (total === 0) return state === 'DONE' ? 100 : null
  return Math.min(100, (received / total) * 100)
}

/** Mean rows per second since the start, or null unless running. */
export function rateOf({ startedAt, at, received, state }: ProgressFacts): number | null {
  if (state !== 'RUNNING' || !startedAt || received === 0) return null
  const seconds = (at.getTime() - startedAt.getTime()) / 1000
  return seconds > 0 ? received / seconds : null
}

/** When the rest will be done at that rate. */
export function estimateOf(facts: ProgressFacts): Date | null {
  const rate = rateOf(facts)
  if (rate === null || facts.total === null) return null
  const left = Math.max(0, facts.total - facts.received)
  const moment = facts.at.getTime() + (left / rate) * 1000
  // Further away than a DateTime can tell is unknown.
  return moment < Date.UTC(9999, 0) ? new Date(moment) : null
}

export function runStateOf(status: RunStatus): ProgressFacts['state'] {
  if (status === 'QUEUED') return 'WAITING'
  return status === 'PROCESSING' || status === 'CANCELLING' ? 'RUNNING' : 'DONE'
}
