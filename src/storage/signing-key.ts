import { desc, eq, lt } from 'drizzle-orm'
import type { Database, Query } from './database.ts'
import type { NewRow, Row } from './tables.ts'

/** The keys that access tokens are signed with, for all processes on the database. */
export function signingKeyStore({ db, tables: { signingKeys } }: Database) {
  return {
    async newest(): Promise<Row<'signingKeys'> | null> {
      const [row] = await db
        .select()
        .from(signingKeys)
        .orderBy(desc(signingKeys.createdAt), desc(signingKeys.id))
        .limit(1)
      return row ?? null
    },

    async byId(id: string): Promise<Row<'signingKeys'> | null> {
      const [row] = await db.select().from(signingKeys).where(eq(signingKeys.id, id))
      return row ?? null
    },

    insert: (row: NewRow<'signingKeys'>): Query => db.insert(signingKeys).values(row),

    deleteBefore: (date: Date): Query => db.delete(signingKeys).where(lt(signingKeys.createdAt, date)),
  }
}
