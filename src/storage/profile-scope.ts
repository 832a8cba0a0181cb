import { eq, type SQL, sql } from 'drizzle-orm'
import type { Database } from './database.ts'

/**
 * The condition that a row of `profiles` is of the sandbox, with the ids of its namespaces bound. For scans: the sign
 * keeps a database from walking the index on namespaces, which holds half of all rows, for a range of ids.
 */
export async function isOfSandbox(database: Database, sandboxId: string): Promise<SQL> {
  const { namespaces, profiles } = database.tables
  const rows = await database.db
    .select({ id: namespaces.id })
    .from(namespaces)
    .where(eq(namespaces.sandboxId, sandboxId))
  if (rows.length === 0) return sql`1 = 0`
  return sql`+${profiles.namespaceId} in (${sql.join(
    rows.map(({ id }) => sql`${id}`),
    sql`, `,
  )})`
}
