// Brings a SQLite file up to date, whoever else may be doing so at the same time.
import fs from 'node:fs'
import path from 'node:path'
import type BetterSqlite from 'better-sqlite3'
import { migrate } from 'drizzle-orm/better-sqlite3/migrator'
import { Unavailable } from '../domain/errors.ts'

const FOLDER = path.join(import.meta.dirname, '../../migrations/sqlite')

/** @throws Error with a sentence for the operator when the file is of a newer version, or of another program */
export function migrateSqlite(of: {
  db: Parameters<typeof migrate>[0]
  connection: BetterSqlite.Database
  file: string
}): void {
  const { db, connection, file } = of
  const newest = newestMigration()
  const applied = lastApplied(connection)
  if (applied !== null && applied > newest) {
    throw new Error(
      'The database was written by a newer version of the gateway. Install that version, or restore a backup.',
    )
  }
  // Asked again: another process may have migrated in between.
  if (applied === null && hasTables(connection) && lastApplied(connection) === null) {
    throw new Error(`${file} is the database of another program. Point DATABASE_URL to a file of its own.`)
  }
  // A rebuilt table must not take its children along; checked again afterwards.
  connection.pragma('foreign_keys = OFF')
  try {
    migrate(db, { migrationsFolder: FOLDER })
  } catch (error) {
    // Two processes that start at once both see an old file; the later one finds the work done.
    if (lastApplied(connection) !== newest) throw notMigrated(file, error)
  } finally {
    connection.pragma('foreign_keys = ON')
  }
  const broken = connection.pragma('foreign_key_check') as unknown[]
  if (broken.length > 0)
    throw new Error(`The migration left ${broken.length} rows without their parent. Restore a backup.`)
}

/** Whether the newest migration is the last one of this file. */
export const isUpToDate = (connection: BetterSqlite.Database): boolean =>
  lastApplied(connection) === newestMigration()

function newestMigration(): number {
  const journal = JSON.parse(fs.readFileSync(path.join(FOLDER, 'meta/_journal.json'), 'utf8'))
  return Math.max(...journal.entries.map((entry: { when: number }) => entry.when))
}

/** When the last migration of this file was written; null before the first. */
function lastApplied(connection: BetterSqlite.Database): number | null {
  const known = connection.prepare("select 1 from sqlite_master where name = '__drizzle_migrations'").get()
  if (!known) return null
  const last = connection.prepare('select max(created_at) as at from __drizzle_migrations').get()
  return (last as { at: number | null }).at // an aggregate always has its one row
}

/** Other than the migrator's own, which a process that starts at the same time may just have made. */
function hasTables(connection: BetterSqlite.Database): boolean {
  const table = "type = 'table' and name not like 'sqlite\\_%' escape '\\' and name != '__drizzle_migrations'"
  return connection.prepare(`select 1 from sqlite_master where ${table}`).get() !== undefined
}

/** What the migrator throws names its statement; the cause says what was wrong with it. */
function notMigrated(file: string, error: unknown): Error {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const reason = cause instanceof Error ? cause.message : String(cause)
  // SQLite undid the transaction by itself, and the migrator's own attempt to do so hides why: for want of space.
  if (reason.includes('no transaction is active')) {
    return new Unavailable('The disk of the database is full or failing. Free space, then try again.', {
      cause: error,
    })
  }
  return new Error(
    `${file} cannot be brought up to date: ${reason}. Restore a backup, or point DATABASE_URL elsewhere.`,
    { cause: error },
  )
}
