// What belongs to a connection: who lives, and who is woken. On a server of its own, because it is stopped.
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { postgresLife } from '../../src/storage/postgres-life.ts'
import { type PostgresSession, postgresSession } from '../../src/storage/postgres-session.ts'
import { postgresWake } from '../../src/storage/postgres-wake.ts'
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts'

/** Longer than an answer of the server is taken for true. */
const ANSWER_MS = 300
const GRACE_MS = 6_000
let server: PostgresServer
let pool: pg.Pool
const sessions: PostgresSession[] = []

beforeAll(async () => {
  server = await startPostgres()
  pool = new pg.Pool({ connectionString: server.url })
  pool.on('error', () => {})
})
afterAll(async () => {
  for (const session of sessions) await session.close()
  await pool.end()
  await server.stop()
})

/** What a process has of its own. */
function aProcess() {
  const session = postgresSession({ connectionString: server.url })
  sessions.push(session)
  let passed = 0
  const life = postgresLife({ pool, session, now: () => performance.now() + passed })
  return {
    session,
    life,
    wake: postgresWake(session),
    pass: (ms: number) => {
      passed += ms
    },
  }
}
const isConnected = (session: PostgresSession) =>
  expect.poll(session.isConnected, { timeout: 8_000 }).toBe(true)

test('a process that ends is dead after the grace, and not before; one that comes back in time never was', async () => {
  const [one, two] = [aProcess(), aProcess()]
  await one.life.register('one')
  await two.life.register('two')
  expect(await one.life.deadAmong(['one', 'two'])).toEqual([])
  expect(await one.life.isAlone('one')).toBe(false)

  const kill = 'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()'
  await pool.query(`${kill} and backend_type = 'client backend'`)
  await expect.poll(two.session.isConnected).toBe(false)
  expect(await one.life.deadAmong(['two', 'one'])).toEqual([])
  await isConnected(two.session)
  one.pass(GRACE_MS)
  expect(await one.life.deadAmong(['two', 'one'])).toEqual([])

  await two.session.close()
  one.pass(ANSWER_MS)
  expect(await one.life.deadAmong(['two'])).toEqual([])
  one.pass(GRACE_MS - 100)
  expect(await one.life.deadAmong(['two'])).toEqual([])
  one.pass(100)
  expect(await one.life.deadAmong(['two'])).toEqual(['two'])
  expect(await one.life.isAlone('one')).toBe(true)
})

test('after a restart of the server everybody lives, and is woken again', async () => {
  const [one, two] = [aProcess(), aProcess()]
  await one.life.register('one again')
  await two.life.register('two again')
  const woken = (topic: string) => two.wake.wait(topic, 20_000)
  const first = woken('runs')
  await isConnected(one.session)
  one.wake.notify('runs')
  await first

  await server.halt()
  await expect.poll(one.session.isConnected).toBe(false)
  // Said while nobody hears. Whoever is connected again looks for news.
  const late = woken('jobs')
  one.wake.notify('jobs')
  await server.start()
  await late
  one.pass(GRACE_MS)
  expect(await one.life.deadAmong(['two again'])).toEqual([])
})

test('a wake-up reaches the others once, whatever its number of topics, and its own process at once', async () => {
  const [one, two] = [aProcess(), aProcess()]
  void one.wake.wait('warm', 0)
  void two.wake.wait('warm', 0)
  await isConnected(one.session)
  await isConnected(two.session)
  const topics = Array.from({ length: 500 }, (_, n) => `run:run_${String(n).padStart(32, '0')}`)
  let wokenHere = 0
  const waits = topics.flatMap((topic) => [
    two.wake.wait(topic, 20_000),
    one.wake.wait(topic, 20_000).then(() => {
      wokenHere += 1
    }),
  ])
  for (const topic of topics) one.wake.notify(topic)
  await sleep(0)
  expect(wokenHere).toBe(500)
  await Promise.all(waits)
})
