// Claims: a row is locked and taken in one transaction. Others that claim meanwhile pass over it, instead of waiting for
// a row that will be gone.
import type pg from 'pg'
import type { Database, Db, Write } from './database.ts'
import { inRounds, runAll } from './postgres-batch.ts'
import { postgresDb } from './postgres-db.ts'
import { ask, inTransaction, withClient } from './postgres-pool.ts'

export function postgresClaim(pool: pg.Pool): Database['claim'] {
  return <R>(select: (db: Db) => PromiseLike<R[]>, writes: (row: R) => readonly Write[]) =>
    inRounds(() =>
      withClient(pool, (client) =>
        inTransaction(client, async () => {
          const own = postgresDb((statement) => ask(client, statement))
          const [row] = await (select(own) as unknown as Lockable<R>).for('update', { skipLocked: true })
          if (row === undefined) return null
          await runAll(client, writes(row))
          return row
        }),
      ),
    )
}

/** What PostgreSQL's builder of a select has besides. */
interface Lockable<R> {
  for(strength: 'update', config: { skipLocked: boolean }): PromiseLike<R[]>
}
