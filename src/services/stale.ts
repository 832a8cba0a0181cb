import { type Database, StaleWrite } from '../storage/database.ts'

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
