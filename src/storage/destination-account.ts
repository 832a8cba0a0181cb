import { and, eq, ne, notExists, sql } from 'drizzle-orm'
import type { Database, ExpectingQuery, Query } from './database.ts'
import { hasId, is, isAlso } from './filter.ts'
import { type Paging, selectPage } from './paging.ts'
import { reader } from './read.ts'
import type { NewRow, Row } from './tables.ts'

type Account = Row<'destinationAccounts'>

export function destinationAccountStore(database: Database) {
  const { db, tables } = database
  const { destinationAccounts: accounts, destinations } = tables
  const read = reader(database, accounts)
  const isKept = ne(accounts.status, 'REMOVED')
  const keptDestinations = (accountId: string) =>
    db
      .select({ id: destinations.id, name: destinations.name })
      .from(destinations)
      .where(and(eq(destinations.accountId, accountId), ne(destinations.status, 'REMOVED')))

  return {
    byIds: (sandboxId: string, ids: readonly string[]): Promise<Account[]> =>
      read.rows([isAlso(accounts.sandboxId, sandboxId), hasId(accounts.id, ids)]),

    /** Oldest first. */
    page: ({ sandboxId, ...paging }: Paging & { sandboxId: string }) =>
      selectPage({
        reader: read,
        where: [is(accounts.sandboxId, sandboxId)],
        order: { name: 'CREATED_AT', column: accounts.createdAt, tie: accounts.id, direction: 'ASC' },
        ...paging,
      }),

    /** A destination that is built on the account and not removed. */
    async someDestination(accountId: string): Promise<{ id: string; name: string } | undefined> {
      const [row] = await keptDestinations(accountId).orderBy(destinations.id).limit(1)
      return row
    },

    insert: (row: NewRow<'destinationAccounts'>): Query => db.insert(accounts).values(row),

    /** Misses its row when it was changed after it was read, or is removed. */
    update: (
      read: Pick<Account, 'id' | 'updatedAt'>,
      changes: Partial<Omit<NewRow<'destinationAccounts'>, 'id' | 'sandboxId' | 'type'>>,
    ): ExpectingQuery => ({
      query: db
        .update(accounts)
        .set(changes)
        .where(and(eq(accounts.id, read.id), eq(accounts.updatedAt, read.updatedAt), isKept)),
      expect: 1,
    }),

    /** Locks the account for the rest of the batch; misses its row when it is removed meanwhile. */
    keep: (id: string): ExpectingQuery => ({
      query: db
        .update(accounts)
        .set({ status: sql`${accounts.status}` })
        .where(and(eq(accounts.id, id), isKept)),
      expect: 1,
    }),

    /** Ends the account and forgets its secrets. After `keep` in one batch, it misses its row when a destination needs it. */
    remove: (id: string, updatedAt: Date): ExpectingQuery => ({
      query: db
        .update(accounts)
        .set({ status: 'REMOVED', secrets: null, updatedAt })
        .where(and(eq(accounts.id, id), isKept, notExists(keptDestinations(id)))),
      expect: 1,
    }),
  }
}
