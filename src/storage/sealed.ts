// All that is sealed, wherever it is stored.
import { and, asc, eq, gt, isNotNull, type SQL, type SQLWrapper, sql } from 'drizzle-orm'
import type { Database, Query } from './database.ts'

/** The first characters of all that is sealed and cannot be replaced, each once: they name the keys. */
export async function sealedHeads({ db, tables }: Database, length: number): Promise<string[]> {
  const { destinationAccounts: accounts, notificationTargets: targets } = tables
  const headOf = (text: SQLWrapper) => sql<string>`substr(${text}, 1, ${length})`
  const [ofAccounts, ofTargets] = await Promise.all([
    db
      .selectDistinct({ head: headOf(accounts.secrets) })
      .from(accounts)
      .where(isNotNull(accounts.secrets)),
    db.selectDistinct({ head: headOf(targets.secret) }).from(targets),
  ])
  return [...new Set([...ofAccounts, ...ofTargets].map(({ head }) => head))]
}

export interface Sealed {
  /** What it is bound to. */
  id: string
  text: string
}
/** A column of sealed texts. */
export interface SealedPlace {
  /** The next texts after an id that begin otherwise. */
  page(options: { otherThan: string; afterId: string; limit: number }): Promise<Sealed[]>
  /** Touches no row when the text was changed after it was read. */
  replace(read: Sealed, text: string): Query
}

/** Where sealed texts are stored. */
export function sealedPlaces({
  db,
  tables,
}: Database): Record<'accounts' | 'notificationTargets' | 'signingKeys', SealedPlace> {
  const { destinationAccounts: accounts, notificationTargets: targets, signingKeys } = tables
  const begins = (text: SQL, head: string) => sql`substr(${text}, 1, ${head.length}) <> ${head}`
  return {
    accounts: {
      page: async ({ otherThan, afterId, limit }) => {
        const { id, secrets } = accounts
        const isMeant = and(isNotNull(secrets), gt(id, afterId), begins(sql`${secrets}`, otherThan))
        const text = sql<string>`${secrets}`
        return db.select({ id, text }).from(accounts).where(isMeant).orderBy(asc(id)).limit(limit)
      },
      replace: (read, secrets) =>
        db
          .update(accounts)
          .set({ secrets })
          .where(and(eq(accounts.id, read.id), eq(accounts.secrets, read.text))),
    },
    notificationTargets: {
      page: async ({ otherThan, afterId, limit }) => {
        const { id, secret: text } = targets
        const isMeant = and(gt(id, afterId), begins(sql`${text}`, otherThan))
        return db.select({ id, text }).from(targets).where(isMeant).orderBy(asc(id)).limit(limit)
      },
      replace: (read, secret) =>
        db
          .update(targets)
          .set({ secret })
          .where(and(eq(targets.id, read.id), eq(targets.secret, read.text))),
    },
    signingKeys: {
      page: async ({ otherThan, afterId, limit }) => {
        const { id, privateKey: text } = signingKeys
        const isMeant = and(gt(id, afterId), begins(sql`${text}`, otherThan))
        return db.select({ id, text }).from(signingKeys).where(isMeant).orderBy(asc(id)).limit(limit)
      },
      replace: (read, privateKey) =>
        db
          .update(signingKeys)
          .set({ privateKey })
          .where(and(eq(signingKeys.id, read.id), eq(signingKeys.privateKey, read.text))),
    },
  }
}
