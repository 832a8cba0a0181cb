import { and, eq, gt, inArray, isNull, or, sql } from 'drizzle-orm'
import { chunks } from './chunks.ts'
import type { Database, Query } from './database.ts'
import { prepared } from './prepared.ts'
import type { NewRow, Row } from './tables.ts'

const ASKED_AT_ONCE = 500

/** A sandbox's tokens are its own and those of the whole gateway, which have no sandbox. */
export function tokenStore({ db, tables: { apiTokens } }: Database) {
  const within = (sandboxId: string) => or(eq(apiTokens.sandboxId, sandboxId), isNull(apiTokens.sandboxId))
  // Every request asks one of these.
  const byId = prepared(() =>
    db
      .select()
      .from(apiTokens)
      .where(eq(apiTokens.id, sql.placeholder('id'))),
  )
  const bySecretHash = prepared(() =>
    db
      .select()
      .from(apiTokens)
      .where(eq(apiTokens.secretHash, sql.placeholder('hash'))),
  )
  return {
    byIds: (sandboxId: string, ids: string[]): Promise<Row<'apiTokens'>[]> =>
      db
        .select()
        .from(apiTokens)
        .where(and(within(sandboxId), inArray(apiTokens.id, ids))),

    list: (sandboxId: string): Promise<Row<'apiTokens'>[]> =>
      db.select().from(apiTokens).where(within(sandboxId)).orderBy(apiTokens.createdAt, apiTokens.id),

    async byId(id: string): Promise<Row<'apiTokens'> | null> {
      const [row] = await byId({ id })
      return row ?? null
    },

    async bySecretHash(hash: string): Promise<Row<'apiTokens'> | null> {
      const [row] = await bySecretHash({ hash })
      return row ?? null
    },

    async byClientId(clientId: string): Promise<Row<'apiTokens'> | null> {
      const [row] = await db.select().from(apiTokens).where(eq(apiTokens.clientId, clientId))
      return row ?? null
    },

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
