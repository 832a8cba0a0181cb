import { and, eq, sql } from 'drizzle-orm'
import type { Database, ExpectingQuery, Query } from './database.ts'
import { hasId, is, isAlso } from './filter.ts'
import { type Paging, selectPage } from './paging.ts'
import { reader } from './read.ts'
import type { NewRow, Row } from './tables.ts'

type Target = Row<'notificationTargets'>

export function notificationTargetStore(database: Database) {
  const { db, tables } = database
  const { notificationTargets: targets, notificationStates: states, notificationMessages: messages } = tables
  const read = reader(database, targets)

  return {
    byIds: (sandboxId: string, ids: readonly string[]): Promise<Target[]> =>
      read.rows([isAlso(targets.sandboxId, sandboxId), hasId(targets.id, ids)]),

    count: (sandboxId: string): Promise<number> => read.count([is(targets.sandboxId, sandboxId)]),

    /** Oldest first. */
    page: ({ sandboxId, ...paging }: Paging & { sandboxId: string }) =>
      selectPage({
        reader: read,
        where: [is(targets.sandboxId, sandboxId)],
        order: { name: 'CREATED_AT', column: targets.createdAt, tie: targets.id, direction: 'ASC' },
        ...paging,
      }),

    insert: (row: NewRow<'notificationTargets'>): Query => db.insert(targets).values(row),

    /** Misses its row when it was changed after it was read, or is gone. */
    update: (
      read: Pick<Target, 'id' | 'updatedAt'>,
      changes: Partial<Omit<NewRow<'notificationTargets'>, 'id' | 'sandboxId'>>,
    ): ExpectingQuery => ({
      query: db
        .update(targets)
        .set(changes)
        .where(and(eq(targets.id, read.id), eq(targets.updatedAt, read.updatedAt))),
      expect: 1,
    }),

    /** With all that it knows and waits for; misses its row when somebody else was faster. */
    remove: (id: string): (Query | ExpectingQuery)[] => [
      { query: db.delete(targets).where(eq(targets.id, id)), expect: 1 },
      db.delete(states).where(eq(states.targetId, id)),
      db.delete(messages).where(eq(messages.targetId, id)),
      // Without a target nobody waits for news.
      db.delete(tables.runNews).where(sql`not exists (select 1 from ${targets})`),
    ],
  }
}
