import { isNotNull, sql } from 'drizzle-orm'
import type { Database } from './database.ts'

/** The first characters of all that is sealed and cannot be replaced, each once: they name the keys. */
export async function sealedHeads({ db, tables }: Database, length: number): Promise<string[]> {
  const { secrets } = tables.destinationAccounts
  const rows = await db
    .selectDistinct({ head: sql<string>`substr(${secrets}, 1, ${length})` })
    .from(tables.destinationAccounts)
    .where(isNotNull(secrets))
  return rows.map((row) => row.head)
}
