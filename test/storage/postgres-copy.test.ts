// What a copy compares: every table there is, and JSON by what it says, as PostgreSQL itself sees it.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import BetterSqlite from 'better-sqlite3'
import fc from 'fast-check'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { canonicalJson } from '../../src/storage/copy-line.ts'
import { copyTables } from '../../src/storage/copy-shape.ts'
import { openDatabase } from '../../src/storage/open.ts'
import { openSqliteCopySource } from '../../src/storage/sqlite-copy.ts'
import { emptyPostgres, type PostgresDatabase } from '../support/postgres-database.ts'

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-copy-'))
let place: PostgresDatabase
let client: pg.Client

beforeAll(async () => {
  place = await emptyPostgres()
  client = new pg.Client(place.url)
  await client.connect()
})
afterAll(async () => {
  await client.end()
  await place.drop()
  fs.rmSync(dir, { recursive: true })
})

test('every table of both databases is copied, with all its columns', async () => {
  const file = path.join(dir, 'gateway.db')
  for (const url of [place.url, `file:${file}`]) {
    const database = openDatabase(url)
    await database.migrate()
    await database.close()
  }
  const copied = copyTables
    .flatMap(({ name, columns }) => columns.map((column) => `${name}.${column.name}`))
    .sort()
  const { rows } = await client.query({
    text: `select table_name || '.' || column_name from information_schema.columns where table_schema = 'public'`,
    rowMode: 'array',
  })
  expect(rows.flat().sort()).toEqual(copied)
  const sqlite = new BetterSqlite(file)
  const columns = sqlite
    .prepare(
      `select t.name || '.' || c.name from sqlite_master t, pragma_table_info(t.name) c
       where t.type = 'table' and t.name not like 'sqlite\\_%' escape '\\' and t.name != '__drizzle_migrations'`,
    )
    .pluck()
    .all()
  expect(columns.sort()).toEqual(copied)
  sqlite.close()
  for (const { key } of copyTables) expect(key.length).toBeGreaterThan(0)
})

test('others may not write to what is copied, and nothing is copied while they do', async () => {
  const file = path.join(dir, 'locked.db')
  const database = openDatabase(`file:${file}`)
  await database.migrate()
  await database.close()
  const writer = new BetterSqlite(file, { timeout: 0 })
  const write = () => writer.exec("insert into namespaces (sandbox_id, name) values ('s', 'n')")
  writer.exec('begin immediate')
  expect(() => openSqliteCopySource(file, 0)).toThrow(`Another process writes to ${file}. Stop it`)
  writer.exec('rollback')
  const source = openSqliteCopySource(file, 0)
  expect(write).toThrow('database is locked')
  source.close()
  write()
  writer.close()
})

const digits = fc.stringMatching(/^(0|[1-9]\d{0,20})$/)
const number = fc
  .tuple(
    fc.constantFrom('', '-'),
    digits,
    fc.option(fc.stringMatching(/^\d{1,20}$/)),
    fc.option(fc.integer({ min: -400, max: 400 })),
  )
  .map(
    ([sign, whole, fraction, power]) =>
      `${sign}${whole}${fraction === null ? '' : `.${fraction}`}${power === null ? '' : `e${power}`}`,
  )
const name = fc
  .oneof(fc.constantFrom('a', 'b', 'aa', '__proto__', '1', ''), fc.string({ unit: 'grapheme', maxLength: 4 }))
  .filter((text) => !text.includes('\0'))
const { document } = fc.letrec((tie) => ({
  document: fc.oneof(
    { depthSize: 'small' },
    number,
    fc.constantFrom(
      'true',
      'false',
      'null',
      '1e2',
      '100',
      '100.0',
      '-0',
      '0.0',
      '1234567890123456',
      '1.234567890123456e15',
    ),
    name.map((text) => JSON.stringify(text)),
    fc.array(tie('document'), { maxLength: 3 }).map((items) => `[${items.join(' , ')}]`),
    fc
      .uniqueArray(fc.tuple(name, tie('document')), { maxLength: 4, selector: ([key]) => key })
      .map((entries) => `{${entries.map(([key, value]) => `${JSON.stringify(key)}: ${value}`).join(',')}}`),
  ),
}))

test('two documents have the same form just when PostgreSQL finds them the same, and keep it there', async () => {
  const pairs = fc.sample(fc.tuple(document, document), { numRuns: 2_000, seed: 7 }) as [string, string][]
  const numbers = [
    '0',
    '-0',
    '0.0',
    '1',
    '1.0',
    '10e-1',
    '0.1e1',
    '1e300',
    '1e400',
    '1e-400',
    '0.1',
    '1E-1',
    '123456789012345678',
    '123456789012345679',
    '1.23456789012345678e17',
    '1e21',
    '1e20',
    '100000000000000000000',
    '0.30000000000000004',
    '0.3',
  ]
  for (const a of numbers) for (const b of numbers) pairs.push([a, b])
  const { rows } = await client.query({
    text: 'select a::jsonb::text, a::jsonb = b::jsonb from unnest($1::text[], $2::text[]) with ordinality as pair (a, b, at) order by at',
    values: [pairs.map(([a]) => a), pairs.map(([, b]) => b)],
    rowMode: 'array',
  })
  let same = 0
  for (const [at, [a, b]] of pairs.entries()) {
    const [stored, isSame] = rows[at] as [string, boolean]
    expect(canonicalJson(stored), a).toBe(canonicalJson(a))
    expect(canonicalJson(a) === canonicalJson(b), `${a} and ${b}`).toBe(isSame)
    same += isSame ? 1 : 0
  }
  expect(same).toBeGreaterThan(40)
})
