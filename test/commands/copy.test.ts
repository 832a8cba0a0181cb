// From SQLite to PostgreSQL: all of it, and a gateway goes on where the other one stopped.
import fs from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { copyDatabase } from '../../src/storage/copy.ts'
import { openDatabase } from '../../src/storage/open.ts'
import { testGateway } from '../support/api.ts'
import { cliFolder } from '../support/cli.ts'
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

const countOf = async (table: string): Promise<number> => {
  const client = new pg.Client(target.url)
  await client.connect()
  const { rows } = await client
    .query(`select count(*)::int as count from ${table}`)
    .catch(() => ({ rows: [] }))
  await client.end()
  return rows[0]?.count ?? 0
}
const change = async (sql: string) => {
  const client = new pg.Client(target.url)
  await client.connect()
  await client.query(sql)
  await client.end()
}
const copy = (env: Record<string, string> = {}) =>
  cli.run(['copy', target.url, '--json'], { ...settings, ...env })
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
  await activate(before.api, dataflowId, segmentId)
  const sent = lastFile()

  const refused = await copy()
  expect([refused.code, refused.stderr]).toEqual([
    1,
    expect.stringContaining(
      'A gateway, a worker or another copy runs on the source. Stop it, then call this again.',
    ),
  ])
  await before.stop()

  const { code, stdout, stderr } = await copy()
  expect([code, stderr]).toEqual([0, expect.stringContaining('comparing')])
  const { tables } = JSON.parse(stdout) as { tables: { table: string; rows: number; checksum: string }[] }
  const rows = Object.fromEntries(tables.map(({ table, rows }) => [table, rows]))
  expect(rows).toMatchObject({ profiles: 1_200, members: 1_200, segments: 1, runs: 1, sandboxes: 1 })
  for (const { checksum } of tables) expect(checksum).toMatch(/^[0-9a-f]{16}$/)
  // Called again, there is nothing to do.
  expect((await copy()).stdout).toBe(stdout)

  const onPostgres = { DATABASE_URL: target.url }
  await importPeople(1, { from: 5_000, env: onPostgres })
  const after = await serve(onPostgres)
  fs.rmSync(path.join(cli.dir, 'data/exports/Flow'), { recursive: true })
  await activate(after.api, dataflowId, segmentId)
  expect(lastFile()).toBe(sent)
  await evaluate(after.api, [segmentId])
  const run = await activate(after.api, dataflowId, segmentId)
  expect(Number(run.progress.exported)).toBe(1_201)
  await after.stop()
  const again = await copy()
  expect([again.code, again.stderr]).toEqual([
    1,
    expect.stringContaining('The target has data of its own in '),
  ])
}, 60_000)

test('goes on where it was killed, and finds what was changed in between', async () => {
  const people = 40_000
  await importPeople(people)
  let kills = 0
  for (let least = 0; kills < 3; ) {
    const copying = cli.start(['copy', target.url], settings)
    await expect.poll(() => countOf('profiles'), { interval: 5, timeout: 20_000 }).toBeGreaterThan(least)
    copying.child.kill('SIGKILL')
    await copying.ended
    kills += 1
    const now = await countOf('profiles')
    expect(now).toBeGreaterThanOrEqual(least)
    least = now
  }
  expect(await countOf('profiles')).toBeLessThan(people)
  const { code, stdout } = await copy()
  expect(code).toBe(0)
  expect(JSON.parse(stdout).tables).toContainEqual({
    table: 'profiles',
    rows: people,
    checksum: expect.anything(),
  })

  await change(`update profiles set attributes = attributes || '{"score": 1}' where key = '777'`)
  const { code: differs, stderr } = await copy()
  expect([differs, stderr]).toEqual([
    1,
    expect.stringMatching(/profiles differs: 40000 rows .* Empty the target/),
  ])
}, 60_000)

test('leaves a target alone that holds another installation', async () => {
  await cli.run(['migrate'], settings)
  const other = { DATABASE_URL: target.url, DATA_DIR: path.join(cli.dir, 'other') }
  await cli.run(['token', 'create', '--name', 'x', '--role', 'VIEWER'], { ...settings, ...other })
  const tokens = await countOf('api_tokens')
  await cli.run(['token', 'create', '--name', 'y', '--role', 'VIEWER'], settings)
  const { code, stderr } = await copy()
  expect([code, stderr]).toEqual([1, expect.stringContaining('The target has data of its own in ')])
  expect(await countOf('api_tokens')).toBe(tokens)
  const toSqlite = await cli.run(['copy', 'file:other.db'], settings)
  expect([toSqlite.code, toSqlite.stderr]).toEqual([
    2,
    expect.stringContaining('postgres://USER@HOST/DATABASE'),
  ])
}, 60_000)

test('copies one of everything, as it is', async () => {
  const store = await httpStore('ann', 'secret')
  const gateway = await testGateway({ drivers: [fullDriver] })
  const there = openDatabase(target.url)
  try {
    await fullWorld(gateway, store)
    await there.migrate()
    const seen: number[] = []
    const source = gateway.test.database
    const tables = await copyDatabase({ source, target: there, onRows: (rows) => seen.push(rows) })
    expect(seen).toEqual([...seen].sort((a, b) => a - b))
    const empty = tables.filter(({ rows }) => rows === 0).map(({ table }) => table)
    expect(empty.length).toBeLessThan(tables.length / 2)
    const { destinationAccounts: accounts } = source.tables
    const [here] = await source.db.select().from(accounts)
    const [copied] = await there.db.select().from(there.tables.destinationAccounts)
    expect(copied).toEqual(here)
  } finally {
    await there.close()
    await gateway.dispose()
    await store.close()
  }
})
