import { and, type Column, eq, gt, inArray, isNull, or } from 'drizzle-orm'
import { chunks } from './chunks.ts'
import type { Database, Query } from './database.ts'
import { is } from './filter.ts'
import { reader } from './read.ts'
import type { NewRow, Row } from './tables.ts'

const ASKED_AT_ONCE = 500

/** A sandbox's tokens are its own and those of the whole gateway, which have no sandbox. */
export function tokenStore(database: Database) {
  const { db } = database
  const { apiTokens } = database.tables
  const within = (sandboxId: string) => or(eq(apiTokens.sandboxId, sandboxId), isNull(apiTokens.sandboxId))
  // Every request asks for one.
  const read = reader(database, apiTokens)
  const only = async (column: Column, value: string): Promise<Row<'apiTokens'> | null> => {
    const [row] = await read.rows([is(column, value)])
    return row ?? null
  }
  return {
    byIds: (sandboxId: string, ids: string[]): Promise<Row<'apiTokens'>[]> =>
      db
        .select()
        .from(apiTokens)
        .where(and(within(sandboxId), inArray(apiTokens.id, ids))),

    list: (sandboxId: string): Promise<Row<'apiTokens'>[]> =>
      db.select().from(apiTokens).where(within(sandboxId)).orderBy(apiTokens.createdAt, apiTokens.id),

    byId: (id: string) => only(apiTokens.id, id),
    bySecretHash: (hash: string) => only(apiTokens.secretHash, hash),
    byClientId: (clientId: string) => only(apiTokens.clientId, clientId),

    /** Those of the ids whose token is neither revoked nor expired. */
    async liveAmong(ids: readonly string[], at: Date): Promise<Set<string>> {
      const { id, revokedAt, expiresAt } = apiTokens
      const isLive = and(isNull(revokedAt), or(isNull(expiresAt), gt(expiresAt, at)))
      const found = chunks(ids, ASKED_AT_ONCE).map((some) =>
        db
          .select({ id })
          .from(apiTokens)
          .where(and(inArray(id, some), isLive)),
      )
      return new Set((await Promise.all(found)).flat().map((row) => row.id))
    },

    insert: (row: NewRow<'apiTokens'>): Query => db.insert(apiTokens).values(row),

    update: (id: string, changes: Partial<NewRow<'apiTokens'>>): Query =>
      db.update(apiTokens).set(changes).where(eq(apiTokens.id, id)),
  }
}
