import { inArray } from 'drizzle-orm'
import type { Database, Query } from './database.ts'
import { is } from './filter.ts'
import { reader } from './read.ts'
import type { NewRow, Row } from './tables.ts'

/** Sandboxes are the outermost nouns: whoever asks decides which of them a caller may see. */
export function sandboxStore(database: Database) {
  const { db } = database
  const { sandboxes } = database.tables
  const read = reader(database, sandboxes)
  return {
    byIds: (ids: string[]): Promise<Row<'sandboxes'>[]> =>
      db.select().from(sandboxes).where(inArray(sandboxes.id, ids)),

    async byName(name: string): Promise<Row<'sandboxes'> | null> {
      const [row] = await read.rows([is(sandboxes.name, name)])
      return row ?? null
    },

    all: (): Promise<Row<'sandboxes'>[]> => db.select().from(sandboxes).orderBy(sandboxes.name),

    insert: (row: NewRow<'sandboxes'>): Query => db.insert(sandboxes).values(row),
  }
}
