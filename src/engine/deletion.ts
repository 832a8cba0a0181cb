// Deleting much without holding the database: in slices whose size follows from how long the last one took.
import { setImmediate } from 'node:timers/promises'
import type { Database, Query } from '../storage/database.ts'
import { sizeAfter } from './slices.ts'

const FIRST_SIZE = 100
/** Of the time that a slice may take: now and then the database writes its journal back within one, which takes longer. */
const TARGET_SHARE = 1 / 3
/** Where a slice took so many times as long as it may, the machine is busy, and the others go first. */
const BUSY_FACTOR = 2.5
const PAUSE_MS = 200

export interface Deletion {
  /** Deletes what a query of a size takes until it finds less than that; gives how many rows went. */
  inSlices(query: (limit: number) => Query): Promise<number>
  /** Does the writes as one slice. */
  atOnce(writes: readonly Query[]): Promise<number>
  /** How long the database was held at most, in milliseconds. */
  longestMs(): number
}
export interface DeletionOptions {
  database: Pick<Database, 'batch' | 'sliceMs'>
  signal: AbortSignal
  /** In milliseconds, from any moment on. */
  now?: () => number
  pause?: (ms: number) => Promise<unknown>
}

/** Each kind of row begins with a small slice: rows differ in what they cost. */
export function deletion({
  database,
  signal,
  now = () => performance.now(),
  pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
}: DeletionOptions): Deletion {
  let longest = 0
  const timed = async (writes: readonly Query[]): Promise<{ rows: number; ms: number }> => {
    signal.throwIfAborted()
    const started = now()
    const counts = await database.batch(writes)
    const ms = now() - started
    longest = Math.max(longest, ms)
    await (ms > database.sliceMs * BUSY_FACTOR ? pause(PAUSE_MS) : setImmediate())
    return { rows: counts.reduce((sum, count) => sum + count, 0), ms }
  }
  return {
    async inSlices(query) {
      let total = 0
      for (let size = FIRST_SIZE; ; ) {
        const { rows, ms } = await timed([query(size)])
        total += rows
        if (rows < size) return total
        size = sizeAfter(size, ms, database.sliceMs * TARGET_SHARE)
      }
    },
    atOnce: async (writes) => (await timed(writes)).rows,
    longestMs: () => longest,
  }
}
