// Brings a PostgreSQL database up to date, whoever else may be doing so at the same time.
import fs from 'node:fs'
import path from 'node:path'
import { drizzle } from 'drizzle-orm/node-postgres'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import pg from 'pg'
import { Unavailable } from '../domain/errors.ts'
import { translated } from './postgres-errors.ts'
import { ask, clientConfig, hasTable } from './postgres-pool.ts'
import { MERGE_PATCH } from './postgres-profiles.ts'

const FOLDER = path.join(import.meta.dirname, '../../migrations/postgres')
/** Any number that nobody else takes. */
const LOCK = 0x6167_7730
/** An index on a large table is made for as long as it takes. */
const NO_TIMEOUT = 0

/** The table in which a copy notes how far it is, until it is complete. */
export const COPY_PROGRESS = 'copy_progress'

/** @throws Error with a sentence for the operator when the database is of a newer version, or of another program */
export async function migratePostgres(url: string, { isCopying = false } = {}): Promise<void> {
  const client = new pg.Client(clientConfig(url, NO_TIMEOUT))
  client.on('error', () => {}) // the statement that is under way fails
  try {
    await client.connect()
    const newest = newestMigration()
    if (!isCopying && (await hasTable(client, COPY_PROGRESS))) {
      throw new Error('The copy into this database is not complete. Call copy again till it is, then start.')
    }
    if ((await lastApplied(client)) === newest) return
    // Held until the connection ends: whoever comes later finds the work done.
    await client.query('select pg_advisory_lock($1)', [LOCK])
    const applied = await lastApplied(client)
    if (applied !== null && applied > newest) {
      throw new Error(
        'The database was written by a newer version of the gateway. Install that version, or restore a backup.',
      )
    }
    if (applied === null && (await hasTables(client))) {
      throw new Error('The database holds tables of another program. Point DATABASE_URL to one of its own.')
    }
    await migrate(drizzle(client), { migrationsFolder: FOLDER })
    await client.query(MERGE_PATCH)
  } catch (error) {
    throw notMigrated(error)
  } finally {
    await client.end().catch(() => {})
  }
}

function newestMigration(): number {
  const journal = JSON.parse(fs.readFileSync(path.join(FOLDER, 'meta/_journal.json'), 'utf8'))
  return Math.max(...journal.entries.map((entry: { when: number }) => entry.when))
}

/** When the last migration of this database was written; null before the first. */
async function lastApplied(client: pg.Client): Promise<number | null> {
  if (!(await hasTable(client, 'drizzle.__drizzle_migrations'))) return null
  const last = await ask(client, {
    sql: 'select max(created_at) from drizzle.__drizzle_migrations',
    params: [],
  })
  return last.rows[0]?.[0] as number | null
}

async function hasTables(client: pg.Client): Promise<boolean> {
  const sql =
    "select 1 from pg_tables where schemaname = current_schema() and tablename in ('profiles', 'runs')"
  return (await ask(client, { sql, params: [] })).count > 0
}

/** What the migrator throws names its statement; the cause says what was wrong with it. */
function notMigrated(error: unknown): Error {
  const known = translated(error)
  if (known instanceof Unavailable || !(error instanceof Error) || error.cause === undefined)
    return known as Error
  const { cause } = error
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new Error(
    `The database cannot be brought up to date: ${reason}. Restore a backup, or point DATABASE_URL elsewhere.`,
    {
      cause: error,
    },
  )
}
