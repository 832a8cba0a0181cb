import { and, eq, inArray, max } from 'drizzle-orm'
import type { Database } from './database.ts'
import type { RunFacts } from './run.ts'

/** The newest run of each mapping that has one. Ids are time-ordered, so the greatest is the newest. */
export function latestRunsOf(
  { db, tables: { runs }, json }: Database,
  sandboxId: string,
  mappingIds: string[],
): Promise<RunFacts[]> {
  const newest = db
    .select({ id: max(runs.id) })
    .from(runs)
    .where(and(json.likely(eq(runs.sandboxId, sandboxId)), inArray(runs.mappingId, mappingIds)))
    .groupBy(runs.mappingId)
  return db.select().from(runs).where(inArray(runs.id, newest))
}
