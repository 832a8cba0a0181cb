import { type Database, StaleWrite } from '../storage/database.ts'

/**
 * The moment of a change, later than the row that was read, whatever the clock says: writes compare by it, and two
 * changes can come within a millisecond.
 */
export function changedAt(read: { updatedAt: Date }, now: Date): Date {
  return new Date(Math.max(now.getTime(), read.updatedAt.getTime() + 1))
}

/** More than the writers that can plausibly be faster one after the other. */
const MAX_ATTEMPTS = 5

/**
 * Loads, decides and writes again when somebody else wrote in between: a write that found another state,
 * or a unique index that refused a row. What a caller can mend then shows in the facts.
 */
export async function againWhenStale<T>(database: Database, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work()
    } catch (error) {
      const isStale = error instanceof StaleWrite || database.violatedTable(error) !== null
      if (!isStale || attempt === MAX_ATTEMPTS) throw error
    }
  }
}
