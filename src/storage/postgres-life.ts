// Which processes live: each holds a lock of its session, which PostgreSQL lets go when the connection ends, as it does
// with the process. Where connections are lost and processes live on, they come back within the grace; where a machine
// is gone without a word, leases run out. A wrong guess costs an attempt: fences refuse what the slower one writes.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type pg from 'pg'
import { Unavailable } from '../domain/errors.ts'
import type { Life } from './database.ts'
import type { PostgresSession } from './postgres-session.ts'

/** The first of the two keys of each lock; the second is of the process. Any number that nobody else takes. */
const LOCKS = 0x6167_7731
/** How long a process may be without its lock, as seen from here. */
const GRACE_MS = 6_000
/** How long it is true which locks there are; well below the grace. */
const FRESH_MS = 250
const MAX_REGISTERING_MS = 10_000
/** Processes of long ago are forgotten. */
const MAX_LOCKLESS = 1_000

export function postgresLife(options: { pool: pg.Pool; session: PostgresSession; now?: () => number }): Life {
  const { pool, session, now = () => performance.now() } = options
  const own = new Set<string>()
  /** Since when processes have been without their locks. */
  const lockless = new Map<string, number>()

  // Shared: the connection before may not be known to be lost yet.
  const lock = (client: pg.Client, id: string) =>
    client.query('select pg_advisory_lock_shared($1, $2)', [LOCKS, keyOf(id)])
  /** The last answer to `lockedKeys`: many that claim at once need not each ask. */
  let last = { at: Number.NEGATIVE_INFINITY, keys: Promise.resolve(new Set<number>()) }
  const lockedLately = (): Promise<Set<number>> => {
    if (now() - last.at >= FRESH_MS) {
      last = { at: now(), keys: lockedKeys() }
      last.keys.catch(() => {
        last.at = Number.NEGATIVE_INFINITY
      })
    }
    return last.keys
  }
  const lockedKeys = async (): Promise<Set<number>> => {
    const { rows } = await pool.query<{ key: number }>(
      `select objid::bigint::bit(32)::int as key from pg_locks
       where locktype = 'advisory' and granted and objsubid = 2 and classid = $1
         and database = (select oid from pg_database where datname = current_database())`,
      [LOCKS],
    )
    return new Set(rows.map(({ key }) => key))
  }

  return {
    async register(id) {
      own.add(id)
      const locked = session.keep(async (client) => own.has(id) && lock(client, id))
      const late = AbortSignal.timeout(MAX_REGISTERING_MS)
      await Promise.race([locked, once(late, 'abort')])
      if (late.aborted) throw new Unavailable('The database takes no connection. Try again in a few seconds.')
    },
    async deadAmong(ids) {
      const others = ids.filter((id) => !own.has(id))
      if (lockless.size > MAX_LOCKLESS) lockless.clear()
      if (others.length === 0) return []
      const locked = await lockedLately()
      return others.filter((id) => {
        if (locked.has(keyOf(id))) return void lockless.delete(id)
        const since = lockless.get(id) ?? now()
        lockless.set(id, since)
        return now() - since >= GRACE_MS
      })
    },
    async isAlone(id) {
      const locked = await lockedKeys()
      locked.delete(keyOf(id))
      return locked.size === 0
    },
    async release(id) {
      own.delete(id)
      if (!session.isConnected()) return
      await session.query('select pg_advisory_unlock_shared($1, $2)', [LOCKS, keyOf(id)])
    },
  }
}

const keyOf = (id: string): number => createHash('sha256').update(id).digest().readInt32BE()
