import { and, eq, inArray, ne, notExists, sql } from 'drizzle-orm'
import type { Database, ExpectingQuery, Query } from './database.ts'
import { plausibleIds } from './filter.ts'
import { type PageArgs, selectPage } from './paging.ts'
import type { NewRow, Row } from './tables.ts'

type Account = Row<'destinationAccounts'>

export function destinationAccountStore({ db, tables }: Database) {
  const { destinationAccounts: accounts, destinations } = tables
  const isKept = ne(accounts.status, 'REMOVED')
  const keptDestinations = (accountId: string) =>
    db
      .select({ id: destinations.id, name: destinations.name })
      .from(destinations)
      .where(and(eq(destinations.accountId, accountId), ne(destinations.status, 'REMOVED')))

  return {
    byIds: (sandboxId: string, ids: readonly string[]): Promise<Account[]> =>
      db
        .select()
        .from(accounts)
        .where(and(eq(accounts.sandboxId, sandboxId), inArray(accounts.id, plausibleIds(ids)))),

    /** Oldest first. */
    page: (options: { sandboxId: string; args: PageArgs; maxPageSize: number }) =>
      selectPage({
        db,
        table: accounts,
        where: eq(accounts.sandboxId, options.sandboxId),
        list: [options.sandboxId],
        order: { name: 'CREATED_AT', column: accounts.createdAt, direction: 'ASC' },
        args: options.args,
        maxPageSize: options.maxPageSize,
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
