// What gateways on one database count together: each writes down its own counts, and reads those of the others.
import { and, eq, inArray, lt, ne, sql } from 'drizzle-orm'
import { chunks } from './chunks.ts'
import type { Database } from './database.ts'

const KEYS_AT_ONCE = 500

export function rateCountStore(database: Database, gateway: string) {
  const { db, tables } = database
  const { rateCounts } = tables
  return {
    /** Writes what this gateway has counted in the window that ends then. */
    async tell(endsAt: Date, counts: ReadonlyMap<string, number>): Promise<void> {
      for (const some of chunks([...counts], KEYS_AT_ONCE)) {
        const rows = some.map(([key, count]) => ({ endsAt, key, gateway, count }))
        const target = [rateCounts.endsAt, rateCounts.key, rateCounts.gateway]
        const set = { count: sql`excluded.count` }
        await database.batch([db.insert(rateCounts).values(rows).onConflictDoUpdate({ target, set })])
      }
    },

    /** What the others have counted for these keys. */
    async ofOthers(endsAt: Date, keys: readonly string[]): Promise<Map<string, number>> {
      const counts = new Map<string, number>()
      for (const some of chunks(keys, KEYS_AT_ONCE)) {
        const rows = await db
          .select({ key: rateCounts.key, count: sql<number>`sum(${rateCounts.count})` })
          .from(rateCounts)
          .where(
            and(
              eq(rateCounts.endsAt, endsAt),
              inArray(rateCounts.key, some),
              ne(rateCounts.gateway, gateway),
            ),
          )
          .groupBy(rateCounts.key)
        for (const { key, count } of rows) counts.set(key, Number(count))
      }
      return counts
    },

    /** Forgets windows that ended before then. */
    forget: (before: Date) => database.batch([db.delete(rateCounts).where(lt(rateCounts.endsAt, before))]),
  }
}
