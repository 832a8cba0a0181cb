// What only PostgreSQL does: transactions that race, statements that are cancelled, and words for its failures.
import { eq } from 'drizzle-orm'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Refusal, Unavailable } from '../../src/domain/errors.ts'
import type { Database } from '../../src/storage/database.ts'
import { openDatabase } from '../../src/storage/open.ts'
import { translated } from '../../src/storage/postgres-errors.ts'
import { runStore } from '../../src/storage/run.ts'
import { segmentStore } from '../../src/storage/segment.ts'
import { emptyPostgres, type PostgresDatabase } from '../support/postgres-database.ts'

let place: PostgresDatabase
let database: Database
beforeAll(async () => {
  place = await emptyPostgres()
  database = openDatabase(place.url, { poolSize: 6 })
  const other = openDatabase(place.url)
  // At once: one of them finds the work done.
  await Promise.all([database.migrate(), other.migrate()])
  await other.close()
})
afterAll(async () => {
  await database.close()
  await place.drop()
})
const query = (sql: string, ...params: unknown[]) => ({ toSQL: () => ({ sql, params }) })

it('takes writes of many at once: each gets a number of its own', async () => {
  const now = new Date()
  const segments = Array.from({ length: 40 }, (_, index) =>
    segmentStore(database).insert({
      id: `seg_${index}`,
      sandboxId: 'sbx',
      name: `s${index}`,
      status: 'ACTIVE',
      rule: { all: [] },
      expression: '',
      createdAt: now,
      updatedAt: now,
    }),
  )
  await Promise.all(segments.map((segment) => database.batch([segment])))
  const rows = await segmentStore(database).allKept('sbx')
  expect(rows.map(({ number }) => number).sort((a, b) => a - b)).toEqual(rows.map((_, index) => index + 1))
})

it('takes patches of the same keys in any order at once, and in one call', async () => {
  const patches = Array.from({ length: 500 }, (_, index) => ({
    key: `k${index % 250}`,
    patch: `{"n${index}":1}`,
  }))
  await Promise.all([database.upsertProfiles(7, patches), database.upsertProfiles(7, patches.toReversed())])
  const [count] = await database.aside(query('select count(*) from profiles where namespace_id = 7'))
  expect(count).toEqual([250])
  const [first] = await database.aside(query("select attributes::text from profiles where key = 'k3'"))
  expect(JSON.parse(String(first?.[0]))).toEqual({ n3: 1, n253: 1 })
})

it('merges patches as RFC 7396 says', async () => {
  const merge = async (key: string, ...patches: object[]) => {
    for (const patch of patches) {
      await database.upsertProfiles(8, [{ key, patch: JSON.stringify(patch) }])
    }
    const [row] = await database.aside(query('select attributes::text from profiles where key = $1', key))
    return JSON.parse(String(row?.[0]))
  }
  expect(await merge('a', { x: { y: 1, z: null } })).toEqual({ x: { y: 1 } })
  expect(await merge('b', { x: { y: 1, z: 2 } }, { x: { y: null } })).toEqual({ x: { z: 2 } })
  expect(await merge('c', { x: 1 }, { x: { y: null, z: 1 } })).toEqual({ x: { z: 1 } })
  expect(await merge('d', { x: { y: 1 } }, { x: [{ y: null }] })).toEqual({ x: [{ y: null }] })
  expect(await merge('e', { 'a\tb\\n': 'c\n"\\' })).toEqual({ 'a\tb\\n': 'c\n"\\' })
})

it('stops a statement that nobody waits for any more, and goes on with its connection', async () => {
  const left = new AbortController()
  const began = performance.now()
  const slow = database.aside(query('select pg_sleep(60)'), left.signal)
  setTimeout(() => left.abort(new Error('left')), 100)
  await expect(slow).rejects.toThrow('left')
  expect(performance.now() - began).toBeLessThan(10_000)
  expect(await database.aside(query('select 1'))).toEqual([[1]])
})

it('finds nothing by a text that it cannot hold, and refuses to store it', async () => {
  expect(await runStore(database).whole('sbx', 'run_\0')).toBeNull()
  const { sandboxes } = database.tables
  const row = { id: 'x', name: 'a\0', title: '', createdAt: new Date() }
  await expect(database.batch([database.db.insert(sandboxes).values(row)])).rejects.toThrow(Refusal)
})

it('claims past a row that another is taking, without waiting for it', async () => {
  const { sandboxes } = database.tables
  const rows = ['a', 'b'].map((name) => ({ id: `sbx_${name}`, name, title: '', createdAt: new Date() }))
  await database.batch([database.db.insert(sandboxes).values(rows)])
  const other = new pg.Client(place.url)
  await other.connect()
  await other.query("begin; select from sandboxes where id = 'sbx_a' for update")
  const first = () =>
    database.claim(
      (db) => db.select().from(sandboxes).where(eq(sandboxes.title, '')).orderBy(sandboxes.id).limit(1),
      ({ id }) => [database.db.update(sandboxes).set({ title: 'taken' }).where(eq(sandboxes.id, id))],
    )
  expect((await first())?.id).toBe('sbx_b')
  expect(await first()).toBeNull()
  await other.query('rollback')
  expect((await first())?.id).toBe('sbx_a')
  await other.end()
})

it('says what became of statistics whose connection was cut, and counts again', async () => {
  await database.upsertProfiles(7, [{ key: 'k', patch: '{"a":1}' }])
  const other = new pg.Client(place.url)
  await other.connect()
  await other.query('begin; lock table profiles')
  const counting = expect(database.attributeStatistics('sbx')).rejects.toThrow(Unavailable)
  const cut = `select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and query like '%attributes::text%' and wait_event_type = 'Lock'`
  // Within a transaction the statistics of activity stay what they were.
  await expect.poll(async () => (await database.aside(query(cut))).length).toBe(1)
  await counting
  await other.query('rollback')
  await other.end()
  expect(await database.attributeStatistics('sbx')).toEqual([])
})

it('is backed up with its own tool', async () => {
  await expect(database.backup('/tmp/copy')).rejects.toThrow('pg_dump')
})

describe('a failure', () => {
  it.each([
    ['53100', 'The disk of the database is full'],
    ['53300', 'out of memory or of connections'],
    ['25006', 'takes no writes'],
    ['57014', 'took too long'],
    ['57P01', 'cannot be reached'],
    ['08006', 'cannot be reached'],
    ['40P01', 'is busy'],
    ['28P01', 'refuses the user or the password'],
    ['3D000', 'no database of the name'],
    ['ECONNREFUSED', 'cannot be reached'],
  ])('%s is told in a sentence', (code, words) => {
    const known = translated(Object.assign(new Error('x'), { code }))
    expect(known).toBeInstanceOf(Unavailable)
    expect(String(known)).toContain(words)
  })

  it('that is a mistake stays what it is', () => {
    const error = Object.assign(new Error('x'), { code: '42601' })
    expect(translated(error)).toBe(error)
  })
})
