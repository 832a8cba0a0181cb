import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { getTableColumns, getTableName } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import * as postgresSchema from '../../src/storage/schema.postgres.ts'
import * as sqliteSchema from '../../src/storage/schema.sqlite.ts'
import { openSqlite } from '../../src/storage/sqlite.ts'
import { testDatabase } from '../support/database.ts'

const REMEDY = 'Run npm run migrations -- <what changes>'
const ROOT = path.join(import.meta.dirname, '../..')

/** drizzle-kit's picture of the tables after the newest migration. */
function newest(dialect: string): { tables: unknown } {
  const meta = path.join(ROOT, 'migrations', dialect, 'meta')
  const snapshots = fs.readdirSync(meta).filter((name) => name.endsWith('_snapshot.json'))
  return JSON.parse(fs.readFileSync(path.join(meta, snapshots.sort().at(-1) ?? ''), 'utf8'))
}

let number = 0
/** A row of an earlier version: what is not given is whatever its column takes. */
function insertRow(connection: BetterSqlite.Database, table: string, given: Record<string, string>) {
  number += 1
  const columns = connection.pragma(`table_info(${table})`) as { name: string; type: string }[]
  const values = columns.map(({ name, type }) => given[name] ?? (type === 'text' ? `"${name}"` : number))
  connection.prepare(`insert into ${table} values (${columns.map(() => '?').join(', ')})`).run(...values)
}

describe('the migrations', () => {
  it('of SQLite are what the tables say: nothing is left to generate', async () => {
    const { generateSQLiteDrizzleJson } = await import('drizzle-kit/api')
    const wanted = await generateSQLiteDrizzleJson(sqliteSchema)
    expect(newest('sqlite').tables, REMEDY).toEqual(JSON.parse(JSON.stringify(wanted.tables)))
  })

  it('of PostgreSQL are what the tables say: nothing is left to generate', async () => {
    const { generateDrizzleJson } = await import('drizzle-kit/api')
    const wanted = generateDrizzleJson(postgresSchema)
    expect(newest('postgres').tables, REMEDY).toEqual(JSON.parse(JSON.stringify(wanted.tables)))
  })

  it.each(['members', 'rejections'])('keep %s in one tree', (table) => {
    const sql = fs.readdirSync(path.join(ROOT, 'migrations/sqlite')).filter((file) => file.endsWith('.sql'))
    const texts = sql
      .map((file) => fs.readFileSync(path.join(ROOT, 'migrations/sqlite', file), 'utf8'))
      .join('')
    expect(texts).toMatch(new RegExp(`CREATE TABLE \`${table}\` \\([^;]*\\) WITHOUT ROWID;`))
  })

  it('lose no row when they are run again over a database with a row in every table', async () => {
    const test = await testDatabase()
    const file = path.join(test.dir, 'gateway.db')
    const tables = Object.values(test.database.tables)
    await test.database.close()
    const connection = new BetterSqlite(file)
    for (const table of tables) {
      const columns = Object.values(getTableColumns(table))
      const values = columns.map((column) => (column.getSQLType() === 'text' ? `${column.name}-x` : 7))
      connection
        .prepare(
          `insert into ${getTableName(table)} (${columns.map(({ name }) => name).join(', ')}) values (${columns.map(() => '?').join(', ')})`,
        )
        .run(...values)
    }
    const count = () =>
      tables.map((table) => [
        getTableName(table),
        connection
          .prepare(`select count(*) from ${getTableName(table)}`)
          .pluck()
          .get(),
      ])
    const before = count()
    const again = openSqlite(file)
    await again.migrate()
    await again.close()
    expect(count()).toEqual(before)
    connection.close()
    fs.rmSync(test.dir, { recursive: true })
  })

  it('begin the log of mapping changes with what was mapped before there was one', async () => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-migrations-'))
    const file = path.join(dir, 'gateway.db')
    const earlier = new BetterSqlite(file)
    const journal = JSON.parse(
      fs.readFileSync(path.join(ROOT, 'migrations/sqlite/meta/_journal.json'), 'utf8'),
    )
    earlier.exec(fs.readFileSync(path.join(ROOT, 'migrations/sqlite/0000_initial.sql'), 'utf8'))
    earlier.exec('create table __drizzle_migrations (id integer primary key, hash text, created_at numeric)')
    earlier.exec(
      `insert into __drizzle_migrations (hash, created_at) values ('', ${journal.entries[0].when})`,
    )
    for (const destination of ['dst_a', 'dst_b', 'dst_c'])
      insertRow(earlier, 'destinations', { id: destination })
    for (const [id, destination] of ['dst_a', 'dst_b', 'dst_a'].entries()) {
      insertRow(earlier, 'segment_mappings', {
        id: `map_${id}`,
        destination_id: destination,
        segment_id: `seg_${id}`,
      })
    }
    earlier.close()
    const database = openSqlite(file)
    await database.migrate()
    const { mappingChanges, destinations } = database.tables
    const log = (await database.db.select().from(mappingChanges)).map((row) =>
      Object.values(row).slice(0, 3).join(),
    )
    expect(log.sort()).toEqual(['dst_a,1,map_0', 'dst_a,2,map_2', 'dst_b,1,map_1'])
    const seqs = await database.db
      .select({ id: destinations.id, seq: destinations.changeSeq })
      .from(destinations)
    expect(seqs.map(({ id, seq }) => `${id} ${seq}`).sort()).toEqual(['dst_a 2', 'dst_b 1', 'dst_c 0'])
    await database.close()
    fs.rmSync(dir, { recursive: true })
  })

  it('refuse a database that a newer version has written', async () => {
    const test = await testDatabase()
    const file = path.join(test.dir, 'gateway.db')
    const connection = new BetterSqlite(file)
    connection.exec(
      `insert into __drizzle_migrations (hash, created_at) values ('newer', ${Date.now() + 1e9})`,
    )
    connection.close()
    await expect(test.database.migrate()).rejects.toThrow('newer version')
    await test.dispose()
  })

  it('refuse the database of another program, and leave it be', async () => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-migrations-'))
    const file = path.join(dir, 'other.db')
    const other = new BetterSqlite(file)
    other.exec('create table profiles (id integer primary key)')
    other.close()
    const database = openSqlite(file)
    await expect(database.migrate()).rejects.toThrow('is the database of another program')
    await database.close()
    fs.rmSync(dir, { recursive: true })
  })

  it('tell in a sentence why a file cannot be brought up to date', async () => {
    const test = await testDatabase()
    const connection = new BetterSqlite(path.join(test.dir, 'gateway.db'))
    connection.exec('update __drizzle_migrations set created_at = 1')
    connection.close()
    await expect(test.database.migrate()).rejects.toThrow(
      /cannot be brought up to date: table `?\w+`? already exists\. Restore a backup/,
    )
    await test.dispose()
  })
})
