import { eq, inArray, sql } from 'drizzle-orm'
import type { Database, Query } from './database.ts'
import { prepared } from './prepared.ts'
import type { NewRow, Row } from './tables.ts'

/** Sandboxes are the outermost nouns: whoever asks decides which of them a caller may see. */
export function sandboxStore({ db, tables: { sandboxes } }: Database) {
  const byName = prepared(() =>
    db
      .select()
      .from(sandboxes)
      .where(eq(sandboxes.name, sql.placeholder('name'))),
  )
  return {
    byIds: (ids: string[]): Promise<Row<'sandboxes'>[]> =>
      db.select().from(sandboxes).where(inArray(sandboxes.id, ids)),

    async byName(name: string): Promise<Row<'sandboxes'> | null> {
      const [row] = await byName({ name })
      return row ?? null
    },

    all: (): Promise<Row<'sandboxes'>[]> => db.select().from(sandboxes).orderBy(sandboxes.name),

    insert: (row: NewRow<'sandboxes'>): Query => db.insert(sandboxes).values(row),
  }
}
