// From SQLite to PostgreSQL: all of it, and a gateway goes on where the other one stopped.
import fs from 'node:fs'
import path from 'node:path'
import BetterSqlite from 'better-sqlite3'
import type { SQLiteTable } from 'drizzle-orm/sqlite-core'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { copyAll } from '../../src/storage/copy.ts'
import { openCopySource, openCopyTarget, openDatabase } from '../../src/storage/open.ts'
import { testGateway } from '../support/api.ts'
import { cliFolder } from '../support/cli.ts'
import { addSandbox } from '../support/database.ts'
import { fullDriver, fullWorld } from '../support/full-world.ts'
import { activate, apiOf, createDataflow, createSegment, evaluate } from '../support/http-api.ts'
import { httpStore } from '../support/http-store.ts'
import { emptyPostgres, type PostgresDatabase } from '../support/postgres-database.ts'

const TOKEN = 'copy-test-token-0123456789'
const settings = { ADMIN_TOKEN: TOKEN, MIN_MINUTES_BEFORE_AD_HOC: '0' }
let cli: ReturnType<typeof cliFolder>
let target: PostgresDatabase

beforeEach(async () => {
  cli = cliFolder()
  target = await emptyPostgres()
})
afterEach(async () => {
  await cli.dispose()
  await target.drop()
})

/** On the target. */
async function ask(sql: string, values: unknown[] = []): Promise<unknown[][]> {
  const client = new pg.Client(target.url)
  await client.connect()
  try {
    return (await client.query({ text: sql, values, rowMode: 'array' })).rows
  } finally {
    await client.end()
  }
}
/** Profiles on the target, none before there is a table of them. */
const arrived = () =>
  ask('select count(*)::int from profiles').then(
    ([row]) => Number(row?.[0]),
    () => 0,
  )
/** The file of the source, changed by hand. */
function inSource<T>(work: (file: BetterSqlite.Database) => T): T {
  const file = new BetterSqlite(path.join(cli.dir, 'data/gateway.db'))
  try {
    return work(file)
  } finally {
    file.close()
  }
}
const copy = (env: Record<string, string> = {}) =>
  cli.run(['copy', target.url, '--json'], { ...settings, ...env })
/** The same in this process; what it has copied is not finished, and can be gone on with. */
async function copyHere() {
  const source = openCopySource(`file:${path.join(cli.dir, 'data/gateway.db')}`)
  try {
    const there = await openCopyTarget(target.url, source.installation)
    const { signal } = new AbortController()
    return await copyAll({ source, target: there, signal, onRows() {} }).finally(there.close)
  } finally {
    source.close()
  }
}
/** A gateway, and the API of it. */
async function serve(env: Record<string, string> = {}) {
  const server = cli.start(['serve'], { ...settings, ...env })
  const [, url = ''] = await server.saw(/listening on (\S+)/)
  const stop = async () => {
    server.child.kill('SIGTERM')
    expect((await server.ended).code).toBe(0)
  }
  return { url, api: apiOf(url, TOKEN), stop }
}
async function importPeople(count: number, { from = 1, env = {} } = {}) {
  const file = path.join(cli.dir, `people-${from}.ndjson`)
  const lines = Array.from({ length: count }, (_, n) => {
    const id = from + n
    return `{"id":"${id}","email":"p${id}@example.com","score":1234567890.5,"nested":{"z":1.50,"a":[1e2,null]}}\n`
  })
  fs.writeFileSync(file, lines.join(''))
  expect((await cli.run(['import', file, '--key', 'id'], { ...settings, ...env })).code).toBe(0)
}
const lastFile = () => {
  const folder = path.join(cli.dir, 'data/exports/Flow')
  const names = fs.readdirSync(folder).filter((name) => name.endsWith('.csv'))
  return fs.readFileSync(path.join(folder, names.sort().at(-1) ?? ''), 'utf8')
}

test('a copied installation goes on: the same tokens, files and secrets, and new keys after the old ones', async () => {
  await importPeople(1_200)
  const before = await serve()
  const segmentId = await createSegment(before.api, 'All', {
    attribute: { path: 'email', operator: 'EXISTS' },
  })
  await evaluate(before.api, [segmentId])
  const fields = [{ source: 'email', target: 'email' }]
  const options = { name: 'Flow', fields, fileFormat: {}, segmentIds: [segmentId] }
  const dataflowId = await createDataflow(before.api, options)
  const first = await activate(before.api, dataflowId, segmentId)
  const sent = lastFile()

  const refused = await copy()
  expect([refused.code, refused.stderr]).toEqual([
    1,
    expect.stringContaining(
      'A gateway, a worker or another copy runs on this database. Stop it, then call this again.',
    ),
  ])
  await before.stop()

  const { code, stdout, stderr } = await copy()
  expect([code, stderr]).toEqual([0, expect.stringContaining('secrets.key, on every machine')])
  expect(stderr).toContain(`${path.join(cli.dir, 'data/exports')}, which all workers must share`)
  const { tables } = JSON.parse(stdout) as { tables: { table: string; rows: number; checksum: string }[] }
  const rows = Object.fromEntries(tables.map(({ table, rows }) => [table, rows]))
  expect(rows).toMatchObject({ profiles: 1_200, members: 1_200, segments: 1, runs: 1, sandboxes: 1 })
  for (const { checksum } of tables) expect(checksum).toMatch(/^[0-9a-f]{64}$/)
  // It is an installation of its own now.
  const again = await copy()
  expect([again.code, again.stdout, again.stderr]).toEqual([
    1,
    '',
    expect.stringContaining('a copy that is complete'),
  ])

  const onPostgres = { DATABASE_URL: target.url }
  await importPeople(1, { from: 5_000, env: onPostgres })
  const after = await serve(onPostgres)
  expect(await runsOf(after.api)).toEqual([first.id])
  fs.rmSync(path.join(cli.dir, 'data/exports/Flow'), { recursive: true })
  const second = await activate(after.api, dataflowId, segmentId)
  expect(lastFile()).toBe(sent)
  await evaluate(after.api, [segmentId])
  const third = await activate(after.api, dataflowId, segmentId)
  expect(Number(third.progress.exported)).toBe(1_201)
  expect((await runsOf(after.api)).sort()).toEqual([first.id, second.id, third.id].sort())
  await createSegment(after.api, 'More', { attribute: { path: 'email', operator: 'EXISTS' } })
  expect(await ask('select number from segments order by number')).toEqual([[1], [2]])
  expect(await ask('select id::int from profiles order by id desc limit 2')).toEqual([[1_201], [1_200]])
  await after.stop()
  expect((await cli.run(['audit', 'verify'], { ...settings, ...onPostgres })).code).toBe(0)
  expect(await ask("select count(*)::int from audit_log where operation = 'cli copy'")).toEqual([[1]])
}, 120_000)

const runsOf = async (api: ReturnType<typeof apiOf>) =>
  (await api<{ runs: { nodes: { id: string }[] } }>('{ runs { nodes { id } } }')).runs.nodes.map(
    ({ id }) => id,
  )

test('goes on where it was killed, a gateway waits for its end, and a row that was changed is found', async () => {
  const people = 60_000
  await importPeople(people)
  let before = 0
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    const copying = cli.start(['copy', target.url], settings)
    await expect.poll(arrived, { interval: 2, timeout: 20_000 }).toBeGreaterThan(before)
    copying.child.kill(signal)
    const { code, stderr } = await copying.ended
    if (signal === 'SIGTERM')
      expect([code, stderr]).toEqual([1, expect.stringContaining('Call it again to go on')])
    before = await arrived()
  }
  expect(before).toBeLessThan(people)
  const refused = await cli.run(['serve'], { ...settings, DATABASE_URL: target.url })
  expect([refused.code, refused.stderr]).toEqual([
    1,
    expect.stringContaining('The copy into this database is not complete.'),
  ])

  const change = `update profiles set attributes = attributes || $1 where key = '777'`
  await ask(change, [{ score: 1 }])
  const differs = await copy()
  expect([differs.code, differs.stdout, differs.stderr]).toEqual([
    1,
    '',
    expect.stringMatching(/^profiles, the row with id 777 differs\. .* Empty the target/m),
  ])
  expect(await arrived()).toBe(people)
  await ask(change, [{ score: 1234567890.5 }])
  await ask(`delete from profiles where key = '59999'`)
  await expect(copyHere()).rejects.toThrow('profiles, the row with id 59999 is missing in the target.')
  await ask(
    `insert into profiles select 59999, namespace_id, '59999', attributes || $1 from profiles where key = '1'`,
    [{ id: '59999', email: 'p59999@example.com' }],
  )
  await ask(`insert into rate_counts values ('2000-01-01', 'k', 'g', 1)`)
  await expect(copyHere()).rejects.toThrow(/^rate_counts, the row with .* is missing in the source\./)
  await ask('delete from rate_counts')
  const { code, stdout } = await copy()
  expect(code).toBe(0)
  const profiles = { table: 'profiles', rows: people, checksum: expect.anything() }
  expect(JSON.parse(stdout).tables).toContainEqual(profiles)
}, 120_000)

test('leaves a target alone that holds another installation, or the beginning of one', async () => {
  expect((await cli.run(['token', 'create', '--name', 'x', '--role', 'VIEWER'], settings)).code).toBe(0)
  const there = openDatabase(target.url)
  await there.migrate()
  await addSandbox(there, 'theirs')
  await there.close()
  const { code, stderr } = await copy()
  expect([code, stderr]).toEqual([1, expect.stringContaining('The target has data in sandboxes')])
  expect(await ask('select name from sandboxes')).toEqual([['theirs']])

  await ask('delete from sandboxes')
  await ask('create table copy_progress (installation text, places jsonb)')
  await ask(`insert into copy_progress values ('sbx_other', '{}')`)
  await expect(copyHere()).rejects.toThrow('the beginning of a copy of another installation')
  expect(await ask('select name from sandboxes')).toEqual([])

  const toSqlite = await cli.run(['copy', 'file:other.db'], settings)
  expect([toSqlite.code, toSqlite.stderr]).toEqual([
    2,
    expect.stringContaining('postgres://USER@HOST/DATABASE'),
  ])
  const fromPostgres = await copy({ DATABASE_URL: target.url })
  expect([fromPostgres.code, fromPostgres.stderr]).toEqual([2, expect.stringContaining('PostgreSQL already')])
}, 120_000)

test('asks for migrate first, and names a row that PostgreSQL cannot hold', async () => {
  await importPeople(3)
  const newest = inSource((file) => {
    const sql = 'select hash, created_at from __drizzle_migrations order by created_at desc limit 1'
    const row = file.prepare(sql).get() as { hash: string; created_at: number }
    file.prepare('delete from __drizzle_migrations where created_at = ?').run(row.created_at)
    return row
  })
  await expect(copyHere()).rejects.toThrow(/gateway\.db is not up to date\. Run migrate/)
  const setAttributes = 'update profiles set attributes = jsonb(?) where id = 2'
  inSource((file) => {
    file
      .prepare('insert into __drizzle_migrations (hash, created_at) values (@hash, @created_at)')
      .run(newest)
    file.prepare(setAttributes).run(JSON.stringify({ id: '2', secret: 'canary \0' }))
  })
  const { code, stderr } = await copy()
  expect([code, stderr]).toEqual([
    1,
    expect.stringContaining('profiles, the row with id 2: attributes holds the character NUL'),
  ])
  expect(stderr).not.toContain('canary')
  const row2 = 'profiles, the row with id 2: attributes holds'
  for (const [text, what] of [
    ['{"id":"2","big":1e200000}', `${row2} a number that is too large`],
    ['{"id":"\\ud83d"}', `${row2} JSON that is damaged, or half a surrogate pair`],
  ] as const) {
    inSource((file) => file.prepare(setAttributes).run(text))
    await expect(copyHere()).rejects.toThrow(what)
  }
  inSource((file) => file.prepare("update profiles set namespace_id = 'x' where id = 2").run())
  await expect(copyHere()).rejects.toThrow('profiles, the row with id 2: namespace_id holds no number')
  inSource((file) => {
    file.prepare('update profiles set namespace_id = 1 where id = 2').run()
    file.prepare(setAttributes).run('{"id":"2"}')
  })
  await copyHere()
}, 120_000)

const ODD = [
  '{"a":-0,"b":[-0.0,0,0e5],"c":1e300,"d":1E-300,"e":5e-324,"f":0.1,"g":1.50,"h":1e2}',
  '{"long":12345678901234567890.123456789,"sum":0.30000000000000004,"beyond":1e400,"under":1e-400}',
  String.raw`{"":"","__proto__":{"x":1},"\\N":"\\N\t\n\r\\.","b":"\u0001\u001f\u007f\u2028","é":"𝄞"}`,
  '{"z":{"y":{"x":[[],{},null,true,false]}},"aa":1,"b":2}',
  '{}',
]
const ODD_KEYS = ['\\N', '\\.', 'a\tb\nc\r', ' ', '𝄞é']

test('copies one of everything, and odd values, as they are', async () => {
  const store = await httpStore('ann', 'secret')
  const gateway = await testGateway({ drivers: [fullDriver] })
  const source = gateway.test.database
  const there = openDatabase(target.url)
  try {
    await fullWorld(gateway, store)
    const file = new BetterSqlite(gateway.test.url.slice('file:'.length))
    const insert = 'insert into profiles (id, namespace_id, key, attributes) values (?, 1, ?, jsonb(?))'
    for (const [at, text] of ODD.entries()) file.prepare(insert).run(1_000 + at, ODD_KEYS[at], text)
    file.prepare("update sqlite_sequence set seq = 5000 where name = 'profiles'").run()
    file.close()
    const { code, stdout } = await copy({ DATABASE_URL: gateway.test.url })
    expect(code).toBe(0)
    const { tables } = JSON.parse(stdout) as { tables: { table: string; rows: number }[] }
    expect(tables.filter(({ rows }) => rows === 0).length).toBeLessThan(tables.length / 2)

    const rowsOf = async ({ db, tables }: typeof there, name: string) =>
      (await db.select().from(tables[name as 'runs'] as SQLiteTable))
        .map((row) => JSON.stringify(sorted(row)))
        .sort()
    for (const name of Object.keys(source.tables).filter((one) => !['profiles', 'auditLog'].includes(one))) {
      expect(await rowsOf(there, name), name).toEqual(await rowsOf(source, name))
    }
    // As PostgreSQL itself compares them.
    for (const [at, text] of ODD.entries()) {
      const same = 'select attributes = $1::jsonb, key from profiles where id = $2'
      expect(await ask(same, [text, 1_000 + at])).toEqual([[true, ODD_KEYS[at]]])
    }
    const [space] = await there.db.select({ id: there.tables.namespaces.id }).from(there.tables.namespaces)
    await there.upsertProfiles(space?.id ?? 0, [{ key: 'new', patch: '{}' }])
    expect(await ask(`select id::int from profiles where key = 'new'`)).toEqual([[5_001]])
  } finally {
    await there.close()
    await gateway.dispose()
    await store.close()
  }
}, 120_000)

/** jsonb keeps no order of keys. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  const entries = Object.entries(value).map(([key, inner]) => [key, sorted(inner)] as const)
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}
