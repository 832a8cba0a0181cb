// Long writes, cut so that others get their turn in between.
import { setImmediate } from 'node:timers/promises'
import type { IdRange } from '../storage/membership.ts'

const LARGEST = 200_000
/** A slice is at most this many times as large as the one before: the next ids may be denser. */
const GROWTH = 2

export type Slice = (range: IdRange) => Promise<void>

/** The size of the slice after one of this size that took so long. */
export function sizeAfter(size: number, ms: number, targetMs: number): number {
  const fitting = (size * targetMs) / Math.max(ms, 0.1)
  return Math.max(1, Math.min(Math.round(fitting), size * GROWTH, LARGEST))
}

/**
 * Walks through a range of ids in slices that each take about as long as is wanted, and lets the event loop turn in between.
 * @throws the signal's reason between two slices
 */
export async function slices(options: {
  range: IdRange
  firstSize: number
  targetMs: number
  signal: AbortSignal
  slice: Slice
}): Promise<void> {
  const { range, targetMs, signal, slice } = options
  let size = options.firstSize
  let after = range.after
  while (after < range.upTo) {
    signal.throwIfAborted()
    const upTo = Math.min(after + size, range.upTo)
    const started = performance.now()
    await slice({ after, upTo })
    size = sizeAfter(size, performance.now() - started, targetMs)
    after = upTo
    await setImmediate()
  }
}
