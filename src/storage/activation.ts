import { and, eq, inArray } from 'drizzle-orm'
import type { Database, Query } from './database.ts'
import type { NewRow, Row } from './tables.ts'

export function activationStore(database: Database) {
  const { db, tables } = database
  const { activations, runs } = tables

  return {
    byIds: (sandboxId: string, ids: string[]): Promise<Row<'activations'>[]> =>
      db
        .select()
        .from(activations)
        .where(and(eq(activations.sandboxId, sandboxId), inArray(activations.id, ids))),

    /** The activation that holds an idempotency key of this token, however old. */
    async byIdempotencyKey(options: {
      sandboxId: string
      tokenId: string
      key: string
    }): Promise<Row<'activations'> | null> {
      const { sandboxId, tokenId, key } = options
      const [row] = await db
        .select()
        .from(activations)
        .where(
          and(
            eq(activations.sandboxId, sandboxId),
            eq(activations.tokenId, tokenId),
            eq(activations.idempotencyKey, key),
          ),
        )
      return row ?? null
    },

    /** The runs that these activations made, in the order in which they were asked for. */
    runsOf: (sandboxId: string, activationIds: string[]): Promise<Row<'runs'>[]> =>
      db
        .select()
        .from(runs)
        .where(and(eq(runs.sandboxId, sandboxId), inArray(runs.activationId, activationIds)))
        .orderBy(runs.activationId, runs.id),

    insert: (row: NewRow<'activations'>): Query => db.insert(activations).values(row),

    /** The write that lets a key serve again. */
    releaseKey: (id: string): Query =>
      db.update(activations).set({ idempotencyKey: null }).where(eq(activations.id, id)),
  }
}
