import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { getTableColumns, getTableName } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import { openSqlite } from '../../src/storage/sqlite.ts'
import { testDatabase } from '../support/database.ts'

const ROOT = path.join(import.meta.dirname, '../..')

describe('the migrations', () => {
  it.each(['sqlite', 'postgres'])(
    'of %s are what the tables generate: nothing is left to generate',
    (dialect) => {
      const out = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-migrations-'))
      try {
        fs.cpSync(path.join(ROOT, 'migrations', dialect), out, { recursive: true })
        const args = [
          'generate',
          `--dialect=${dialect === 'sqlite' ? 'sqlite' : 'postgresql'}`,
          `--schema=src/storage/schema.${dialect}.ts`,
          `--out=${path.relative(ROOT, out)}`,
        ]
        const before = fs.readdirSync(out)
        execFileSync(path.join(ROOT, 'node_modules/.bin/drizzle-kit'), args, { cwd: ROOT, stdio: 'pipe' })
        expect(fs.readdirSync(out), 'Run npm run migrations -- <what changes>').toEqual(before)
      } finally {
        fs.rmSync(out, { recursive: true })
      }
    },
  )

  it('keep the membership table in one tree', () => {
    const sql = fs.readdirSync(path.join(ROOT, 'migrations/sqlite')).filter((file) => file.endsWith('.sql'))
    const texts = sql
      .map((file) => fs.readFileSync(path.join(ROOT, 'migrations/sqlite', file), 'utf8'))
      .join('')
    expect(texts).toMatch(/CREATE TABLE `members` \([^;]*\) WITHOUT ROWID;/)
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
})
