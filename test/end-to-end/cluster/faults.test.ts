// What a database does to those who work on it: each time there is a clear word, the gateway says that it is not ready,
// and goes on by itself when the trouble is over.
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { compose, type Gateway } from '../../../src/compose.ts'
import { readConfig } from '../../../src/config.ts'
import { cliFolder } from '../../support/cli.ts'
import { silent } from '../../support/database.ts'
import { type PostgresServer, startPostgres } from '../../support/postgres-server.ts'

const TOKEN = 'faults-test-token-0123456789'
const READ = '{ segments { nodes { id } } }'
const CREATE = `mutation { createSegment(input: { name: "S", rule: { attribute: { path: "a", operator: EXISTS } } }) {
  segment { id } errors { code message } } }`
const NO_WRITES = 'The database takes no writes, as a replica does. Point DATABASE_URL to its primary.'
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-faults-'))

let server: PostgresServer
let admin: pg.Client
let gateway: Gateway | null = null
let url: string
/** Of the gateway's database. */
let databaseUrl: string
let databases = 0

beforeAll(async () => {
  server = await startPostgres()
})
afterAll(async () => {
  await server.stop()
  fs.rmSync(dir, { recursive: true, force: true })
})
beforeEach(async () => {
  admin = await connect()
  databases += 1
  await admin.query(`create database gateway_${databases}`)
  databaseUrl = server.url.replace(/postgres$/, `gateway_${databases}`)
})
afterEach(async () => {
  await gateway?.stop()
  gateway = null
  await admin.end()
})

async function connect(to = server.url): Promise<pg.Client> {
  const client = new pg.Client(to)
  client.on('error', () => {})
  await client.connect()
  return client
}

const settings = (of: string) => ({
  DATABASE_URL: of,
  DATA_DIR: dir,
  ADMIN_TOKEN: TOKEN,
  SECRETS_KEY: randomBytes(32).toString('base64'),
  PORT: '0',
  LOG_LEVEL: 'silent',
})

/** @param parameters of the connection */
async function start(parameters = ''): Promise<void> {
  gateway = await compose(readConfig(settings(databaseUrl + parameters)), { log: silent })
  url = (await gateway.start({ api: true, engine: true })).url
}

const isReady = async () => {
  const answer = await fetch(`${url}/readyz`)
  const { checks } = (await answer.json()) as { checks: { database: boolean } }
  expect(checks.database).toBe(answer.status === 200)
  return checks.database
}
const becomesReady = (wanted: boolean) => expect.poll(isReady, { timeout: 15_000 }).toBe(wanted)

async function ask(query = READ) {
  const answer = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` },
    body: JSON.stringify({ query }),
  })
  const body = (await answer.json()) as {
    data?: unknown
    errors?: { message: string; extensions: { code: string } }[]
  }
  const [error] = body.errors ?? []
  return { status: answer.status, data: body.data, code: error?.extensions.code, message: error?.message }
}
const works = () => expect.poll(() => ask(), { timeout: 15_000 }).toMatchObject({ status: 200 })

const kill = (name: string) =>
  admin.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name])

describe('a database', () => {
  it('whose connections are killed: the next ones are made, and nobody is asked to start again', async () => {
    await start()
    await works()
    for (let round = 0; round < 3; round += 1) {
      await kill(`gateway_${databases}`)
      await works()
      await becomesReady(true)
    }
  })

  it('that is stopped: 503 with what to do, not ready; ready again when it is there again', async () => {
    await start()
    await server.halt()
    await becomesReady(false)
    expect(await ask()).toMatchObject({
      status: 503,
      code: 'UNAVAILABLE',
      message: 'The database cannot be reached. Try again in a few seconds.',
    })
    await server.start()
    await becomesReady(true)
    await works()
    admin = await connect()
  })

  it('with all connections of the pool taken: whoever comes waits, then is told', async () => {
    await start()
    await works()
    const blocker = await connect(databaseUrl)
    await blocker.query('begin; lock table segments in access exclusive mode')
    const stuck = Array.from({ length: 30 }, () => ask())
    const [first] = await Promise.all([Promise.race(stuck), sleep(1_000)])
    expect(first).toMatchObject({
      status: 503,
      code: 'UNAVAILABLE',
      message: 'No connection to the database is free. Try again in a few seconds.',
    })
    expect(await isReady()).toBe(false)
    await blocker.query('rollback')
    await blocker.end()
    await Promise.all(stuck)
    await becomesReady(true)
    await works()
  })

  it('that takes no more connections: 503, until it does', async () => {
    await start()
    await works()
    await admin.query(`alter database gateway_${databases} allow_connections false`)
    await kill(`gateway_${databases}`)
    await becomesReady(false)
    expect(await ask()).toMatchObject({ status: 503, code: 'UNAVAILABLE' })
    await admin.query(`alter database gateway_${databases} allow_connections true`)
    await becomesReady(true)
    await works()
  })

  it('that takes too long: the statement is given up, with a word', async () => {
    await start('?statement_timeout=300')
    await works()
    const blocker = await connect(databaseUrl)
    await blocker.query('begin; lock table segments in access exclusive mode')
    expect(await ask()).toMatchObject({
      status: 503,
      code: 'UNAVAILABLE',
      message: 'The database took too long. Try again in a few seconds.',
    })
    await blocker.query('rollback')
    await blocker.end()
    expect(await ask()).toMatchObject({ status: 200 })
  })

  it('that takes no writes, as a replica: reads are served, writes are refused with the reason, not ready; until it does', async () => {
    await start()
    await works()
    await admin.query(`alter database gateway_${databases} set default_transaction_read_only = on`)
    await kill(`gateway_${databases}`)
    await works()
    await becomesReady(false)
    expect(await ask(CREATE)).toMatchObject({
      status: 503,
      code: 'UNAVAILABLE',
      message: NO_WRITES,
    })
    await admin.query(`alter database gateway_${databases} set default_transaction_read_only = off`)
    await kill(`gateway_${databases}`)
    await becomesReady(true)
    expect(await ask(CREATE)).toMatchObject({ status: 200 })
  })
})

describe('a standby', () => {
  it('in the place of the primary: reads are served, writes are refused with the reason, not ready; until it is promoted', async () => {
    await start()
    await works()
    const { promote } = await server.standBy()
    admin = await connect()
    expect((await admin.query('select pg_is_in_recovery() as "is"')).rows).toEqual([{ is: true }])
    await works()
    await becomesReady(false)
    expect(await ask(CREATE)).toMatchObject({ status: 503, code: 'UNAVAILABLE', message: NO_WRITES })
    await promote()
    await becomesReady(true)
    expect(await ask(CREATE)).toMatchObject({ status: 200 })
  })

  it('that a gateway is started on: the same, without another start', async () => {
    await start()
    await works()
    await gateway?.stop()
    const { promote } = await server.standBy()
    admin = await connect()
    await start()
    await works()
    await becomesReady(false)
    expect(await ask(CREATE)).toMatchObject({ status: 503, message: NO_WRITES })
    await promote()
    await becomesReady(true)
    expect(await ask(CREATE)).toMatchObject({ status: 200 })
  })
})

describe('a gateway that starts', () => {
  const cli = cliFolder()
  afterAll(() => cli.dispose())
  const serve = async () => {
    const { code, stderr } = await cli.run(['serve'], { ...settings(databaseUrl), LOG_LEVEL: 'fatal' })
    expect(code).toBe(1)
    return stderr.trim()
  }

  it('on a database that it cannot bring up to date says why, and leaves nothing half done', async () => {
    const other = await connect(databaseUrl)
    await other.query('create table segments (of_another_program int)')
    expect(await serve()).toMatch(/segments.*(Restore|Point) /s)
    const { rows } = await other.query("select tablename from pg_tables where schemaname = 'public'")
    expect(rows).toEqual([{ tablename: 'segments' }])
    await other.query('drop table segments')
    await other.end()
    await start()
    await works()
  })

  it('on a replica says so', async () => {
    await admin.query(`alter database gateway_${databases} set default_transaction_read_only = on`)
    expect(await serve()).toBe(NO_WRITES)
  })

  it('without its database, with a wrong password, or a name that is not there, says so, and no password', async () => {
    const right = databaseUrl
    databaseUrl = right.replace(/gateway_\d+$/, 'nothing')
    expect(await serve()).toBe('There is no database of the name that DATABASE_URL gives.')
    databaseUrl = right.replace('of-the-tests', 'a-wrong-password')
    expect(await serve()).toBe('The database refuses the user or the password of DATABASE_URL.')
    databaseUrl = right.replace(/:\d+\//, ':1/')
    expect(await serve()).toBe('The database cannot be reached. Try again in a few seconds.')
  })
})
