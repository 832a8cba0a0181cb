import { isNotNull, type SQL, sql } from 'drizzle-orm'
import type { Database } from './database.ts'

/** The first characters of everything that is stored sealed, each once: they name the keys. */
export async function sealedHeads({ db, tables }: Database, length: number): Promise<string[]> {
  const { destinationAccounts: accounts, signingKeys } = tables
  const head = (column: unknown): SQL<string> => sql<string>`substr(${column}, 1, ${length})`
  const rows = await db
    .selectDistinct({ head: head(accounts.secrets) })
    .from(accounts)
    .where(isNotNull(accounts.secrets))
    .union(db.selectDistinct({ head: head(signingKeys.privateKey) }).from(signingKeys))
  return rows.map((row) => row.head)
}
