import { and, eq, ne, sql } from 'drizzle-orm'
import type { Database, ExpectingQuery, Query } from './database.ts'
import { hasId, is, isAlso } from './filter.ts'
import { type Paging, selectPage } from './paging.ts'
import { reader } from './read.ts'
import type { NewRow, Row } from './tables.ts'

type Account = Row<'destinationAccounts'>

export function destinationAccountStore(database: Database) {
  const { db, tables } = database
  const { destinationAccounts: accounts } = tables
  const read = reader(database, accounts)
  const isKept = ne(accounts.status, 'REMOVED')

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

    /** Ends the account and forgets its secrets. */
    remove: (id: string, updatedAt: Date): ExpectingQuery => ({
      query: db
        .update(accounts)
        .set({ status: 'REMOVED', secrets: null, updatedAt })
        .where(and(eq(accounts.id, id), isKept)),
      expect: 1,
    }),
  }
}
