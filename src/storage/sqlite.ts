// The SQLite dialect: one writer connection of this process, a read thread for what takes long.
import fs from 'node:fs'
import path from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { SQLiteSyncDialect } from 'drizzle-orm/sqlite-core'
import { Unavailable } from '../domain/errors.ts'
import type { ProfilePatch, RawRow } from './capabilities.ts'
import { type Database, StaleWrite, type Write } from './database.ts'
import { filler } from './placeholders.ts'
import { tables } from './schema.sqlite.ts'
import { sqliteAside } from './sqlite-aside.ts'
import { sqliteAttributeStatistics } from './sqlite-attributes.ts'
import { sqliteFirstOfEach } from './sqlite-first-of-each.ts'
import { sqliteJson } from './sqlite-json.ts'
import { processLocks } from './sqlite-life.ts'
import { migrateSqlite } from './sqlite-migrate.ts'
import { inProcessWake } from './wake.ts'

const STATEMENTS_KEPT = 100
const SLICE_MS = 12
/** Others that claim at the same moment take rows first so often. */
const MAX_RACES = 5

/**
 * SQLite, as it is built here (ENABLE_STAT4), plans a statement anew whenever a bare parameter that an index is searched
 * by gets another value: half of the time of a short read. A sign before it makes it any expression, and changes nothing
 * else.
 */
class SteadyDialect extends SQLiteSyncDialect {
  override escapeParam = (): string => '+?'
}
const dialect = new SteadyDialect()

/** @throws Error with a sentence for the operator when the file is no database or cannot be opened */
export function openSqlite(file: string): Database {
  const connection = connect(file)
  const statements = statementCache(connection)
  const upsert = profileUpsert(connection)
  const aside = sqliteAside(file)
  const locks = processLocks(path.join(path.dirname(file), 'processes'))
  const db = drizzle(connection)

  const atomically = <T>(work: () => T): T => {
    run(() => connection.exec('BEGIN IMMEDIATE'))
    try {
      const result = run(work)
      run(() => connection.exec('COMMIT'))
      return result
    } catch (error) {
      if (connection.inTransaction) connection.exec('ROLLBACK')
      throw error
    }
  }
  /** SQL is built before the transaction begins, so that the write lock is held for the writing alone. */
  const prepared = (item: Write, index: number): (() => number) => {
    if ('into' in item) {
      const { into, columns, rows } = item
      const marks = columns.map(() => '?').join(', ')
      const insert = statements(
        `insert into ${into} (${columns.join(', ')}) values (${marks}) on conflict do nothing`,
      )
      return () => rows.reduce((sum, row) => sum + insert.run(...row).changes, 0)
    }
    const { sql, params } = ('query' in item ? item.query : item).toSQL()
    const statement = statements(sql)
    return () => {
      const { changes } = statement.run(...params)
      if ('query' in item && changes !== item.expect) throw new StaleWrite(index)
      return changes
    }
  }

  return {
    db,
    tables,
    wake: inProcessWake(),
    json: sqliteJson,
    sliceMs: SLICE_MS,
    batch: async (writes) => {
      const steps = writes.map(prepared)
      return atomically(() => steps.map((step) => step()))
    },
    prepare: (query, where = 'here') => {
      const { sql, params } = dialect.sqlToQuery(query)
      const fill = filler(params)
      if (where === 'aside') return (values) => aside.read({ sql, params: fill(values) })
      const statement = run(() => connection.prepare(sql).raw())
      return async (values) => run(() => statement.all(...fill(values)) as RawRow[])
    },
    firstOfEach: sqliteFirstOfEach,
    claim: async (select, writes) => {
      for (let race = 1; race <= MAX_RACES; race += 1) {
        const [row] = await select(db)
        if (row === undefined) return null
        const steps = writes(row).map(prepared)
        try {
          atomically(() => steps.map((step) => step()))
          return row
        } catch (error) {
          if (!(error instanceof StaleWrite)) throw error // another process was faster
        }
      }
      return null
    },
    violatedTable: (error) => {
      const cause = rootCause(error)
      const match = /^UNIQUE constraint failed: (\w+)\./.exec(cause instanceof Error ? cause.message : '')
      return match?.[1] ?? null
    },
    aside: (query, signal) => aside.read(query.toSQL(), signal),
    upsertProfiles: async (namespaceId, patches, writes = []) => {
      const steps = writes.map(prepared)
      return atomically(() => {
        const counts = upsert(namespaceId, patches)
        for (const step of steps) step()
        return counts
      })
    },
    attributeStatistics: (sandboxId, signal) =>
      sqliteAttributeStatistics({ sandboxId, signal, read: (query) => aside.read(query, signal) }),
    exportSource: () => ({ url: `file:${file}` }),
    life: locks,
    isShared: false,
    migrate: async () => run(() => migrateSqlite({ db, connection, file })),
    ping: async () => void connection.prepare('select count(*) from __drizzle_migrations').get(),
    backup: async (target) => {
      if (fs.existsSync(target)) throw new Error(`${target} exists; name a file that does not.`)
      connection.prepare('VACUUM INTO ?').run(target)
    },
    close: async () => {
      await aside.close()
      locks.releaseAll()
      connection.close()
    },
  }
}

function connect(file: string): BetterSqlite.Database {
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
    fs.closeSync(fs.openSync(file, 'a', 0o600)) // made for its owner alone, wherever the folder came from
    const connection = new BetterSqlite(file, { timeout: 5000 })
    connection.pragma('journal_mode = WAL')
    connection.pragma('synchronous = FULL') // on every open: a reopened WAL file falls back to NORMAL
    connection.pragma('foreign_keys = ON')
    connection.pragma('journal_size_limit = 67108864')
    connection.pragma('cache_size = -8192')
    // SQLite's own knows ASCII alone, and a search for é should find É.
    connection.function('lower', { deterministic: true }, (text) =>
      typeof text === 'string' ? text.toLowerCase() : text,
    )
    return connection
  } catch (error) {
    const code = (error as { code?: string }).code
    if (code === 'SQLITE_NOTADB') {
      throw new Error(`${file} is not a SQLite database. Move it away, or point DATABASE_URL elsewhere.`)
    }
    if (code === 'SQLITE_CORRUPT') throw new Error(`${file} is damaged. Restore a backup.`)
    throw new Error(
      `${file} cannot be opened: ${error instanceof Error ? error.message : error}. Check that the folder exists and is writable.`,
    )
  }
}

function statementCache(connection: BetterSqlite.Database) {
  const kept = new Map<string, BetterSqlite.Statement>()
  return (sql: string): BetterSqlite.Statement => {
    let statement = kept.get(sql)
    if (!statement) {
      if (kept.size >= STATEMENTS_KEPT) kept.clear()
      statement = connection.prepare(sql)
      kept.set(sql, statement)
    }
    return statement
  }
}

function profileUpsert(connection: BetterSqlite.Database) {
  // Prepared at first use: the table comes with the migrations.
  let statements: { insert: BetterSqlite.Statement; update: BetterSqlite.Statement } | undefined
  return (namespaceId: number, patches: readonly ProfilePatch[]) => {
    statements ??= {
      insert: connection.prepare(
        "insert into profiles (namespace_id, key, attributes) values (?, ?, jsonb_patch('{}', ?)) on conflict do nothing",
      ),
      update: connection.prepare(
        'update profiles set attributes = jsonb_patch(attributes, ?) where namespace_id = ? and key = ?',
      ),
    }
    let inserted = 0
    for (const { key, patch } of patches) {
      if (statements.insert.run(namespaceId, key, patch).changes > 0) inserted += 1
      else statements.update.run(patch, namespaceId, key)
    }
    return { inserted, updated: patches.length - inserted }
  }
}

/** Resource trouble becomes Unavailable: the caller may try again, and nothing was written. */
function run<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    const code = (rootCause(error) as { code?: string }).code ?? ''
    if (code === 'SQLITE_FULL' || code.startsWith('SQLITE_IOERR')) {
      throw new Unavailable('The disk of the database is full or failing. Free space, then try again.', {
        cause: error,
      })
    }
    if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) {
      throw new Unavailable('The database is busy. Try again in a few seconds.', { cause: error })
    }
    throw error
  }
}

function rootCause(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? rootCause(error.cause) : error
}
