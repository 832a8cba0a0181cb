import { and, eq, inArray } from 'drizzle-orm'
import type { Database } from './database.ts'
import { type PageArgs, selectPage } from './paging.ts'
import type { Row } from './tables.ts'

export function destinationAccountStore({ db, tables: { destinationAccounts } }: Database) {
  return {
    byIds: (sandboxId: string, ids: string[]): Promise<Row<'destinationAccounts'>[]> =>
      db
        .select()
        .from(destinationAccounts)
        .where(and(eq(destinationAccounts.sandboxId, sandboxId), inArray(destinationAccounts.id, ids))),

    /** Oldest first. */
    page: (options: { sandboxId: string; args: PageArgs; maxPageSize: number }) =>
      selectPage({
        db,
        table: destinationAccounts,
        where: eq(destinationAccounts.sandboxId, options.sandboxId),
        list: [options.sandboxId],
        order: { name: 'CREATED_AT', column: destinationAccounts.createdAt, direction: 'ASC' },
        args: options.args,
        maxPageSize: options.maxPageSize,
      }),
  }
}
