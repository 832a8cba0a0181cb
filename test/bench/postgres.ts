// A real PostgreSQL beside SQLite: the same work, through the same processes, in the same run. PostgreSQL runs with its
// own settings for production: what is committed is on the disk.
import { type ChildProcess, fork } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { type Member, startMember } from '../end-to-end/cluster/processes.ts'
import { runCommand } from '../support/gateway-process.ts'
import { type Api, apiOf, createDataflow, createSegment, evaluate } from '../support/http-api.ts'
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts'
import { attribute, EXPORTED, hundredRules, writeCsv } from './main-job-data.ts'
import type { Claimed } from './postgres-process.ts'
import { order } from './processes.ts'
import { bar, figure, heading, median, seconds } from './report.ts'
import { activateAll } from './run-span.ts'

const { values: options } = parseArgs({
  allowPositionals: true,
  options: {
    rows: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '3' },
    runs: { type: 'string', default: '1000' },
  },
})
const ROWS = Number(options.rows)
const ROUNDS = Number(options.rounds)
const RUNS = Number(options.runs)
/** Of a machine with memory to spare, as its manual advises; all else is as it comes. */
const DURABLE = { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on' }
const SETTINGS = { ...DURABLE, shared_buffers: '512MB', max_wal_size: '4GB' }
const SEGMENTS_AT_ONCE = 4
const TOKEN = 'bench-token-0123456789'
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-bench-'))
const csv = path.join(dir, 'customers.csv')

/** One database, and what works on it. */
interface Side {
  name: string
  env: Record<string, string>
  api: Api
  /** Everybody, some times over: a dataflow for each. */
  orders: { dataflowId: string; segmentId: string }[]
  workers: Member[]
}

const children: ChildProcess[] = []
const members: Member[] = []
let server: PostgresServer | undefined
try {
  await bench()
} finally {
  for (const child of children) if (child.connected) await order(child, 'stop').catch(() => {})
  for (const member of members) await member.stop()
  await server?.stop()
  fs.rmSync(dir, { recursive: true, force: true })
}

async function bench(): Promise<void> {
  server = await startPostgres(SETTINGS)
  const version = (await ask<{ server_version: string }>('show server_version'))[0]?.server_version
  heading(
    `${count(ROWS)} profiles, 12 attributes; PostgreSQL ${version}, fsync on; node ${process.version}, ${os.availableParallelism()} cores`,
  )
  await writeCsv(csv, ROWS)
  const sides = { sqlite: sideOf('SQLite'), postgres: sideOf('PostgreSQL', server.url) }
  await benchImport(sides)
  for (const side of both(sides)) await startWork(side)
  await benchConnections(sides.postgres)
  await benchSegmentation(sides)
  await benchExport(sides)
  for (const member of members) await member.stop()
  await benchClaims(sides)
}

interface Sides {
  sqlite: Side
  postgres: Side
}
function both({ sqlite, postgres }: Sides): Side[] {
  return [sqlite, postgres]
}

function sideOf(name: string, url?: string): Side {
  const env: Record<string, string> = {
    DATA_DIR: path.join(dir, name),
    ADMIN_TOKEN: TOKEN,
    MIN_MINUTES_BEFORE_AD_HOC: '0',
    SEGMENTATION_CRON: 'off',
    WORKERS: '1',
  }
  if (url) env.DATABASE_URL = url
  return { name, env, orders: [], workers: [], api: () => Promise.reject(new Error('not started')) }
}

async function benchImport(sides: Sides): Promise<void> {
  heading('Import')
  for (const side of both(sides)) {
    const { seconds: taken } = await runCommand(['import', csv, '--key', 'customer_id', '--json'], side.env)
    const rate = Math.round(ROWS / taken)
    const verdict = side === sides.postgres ? held(rate >= 60_000, 'at least 60,000') : ''
    figure(`${side.name}: CSV file to profiles`, `${count(rate)} rows/s (${seconds(taken)})`, verdict)
  }
}

/** An API that exports nothing, and one worker. */
async function startWork(side: Side): Promise<void> {
  side.api = apiOf(await order<string>(child(side), 'serve'), TOKEN)
  await addWorker(side)
}

async function addWorker(side: Side): Promise<void> {
  const { name, env } = side
  const worker = startMember({ name, command: 'worker', env })
  members.push(worker)
  side.workers.push(worker)
  await worker.up()
}

async function benchConnections(side: Side): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  figure('connections of an idle API and an idle worker', await connections())
  await Promise.all(
    Array.from({ length: 200 }, () => side.api('{ segments(first: 10) { nodes { id name status } } }')),
  )
  figure('the same after 200 queries at once', await connections())
}

async function connections(): Promise<string> {
  const query = "select count(*)::int from pg_stat_activity where application_name = 'activation-gateway'"
  return String((await ask<{ count: number }>(query))[0]?.count)
}

async function benchSegmentation(sides: Sides): Promise<void> {
  heading('Segmentation, one worker')
  for (const side of both(sides)) {
    const { name, api } = side
    const ids: string[] = []
    for (const [n, rule] of hundredRules().entries()) ids.push(await createSegment(api, `Segment ${n}`, rule))
    figure(`${name}: 100 segments`, seconds(await evaluate(api, ids)))
    const everybody: string[] = []
    for (let n = 0; n < SEGMENTS_AT_ONCE; n += 1) {
      everybody.push(await createSegment(api, `Everybody ${n}`, attribute('customer_id', 'EXISTS')))
    }
    figure(`${name}: ${SEGMENTS_AT_ONCE} of everybody`, seconds(await evaluate(api, everybody)))
    const fields = EXPORTED.map((source) => ({ source, target: source, required: source === 'email' }))
    const fileFormat = { compression: 'NONE' }
    for (const [n, segmentId] of everybody.entries()) {
      const dataflow = { name: `Flow ${n}`, fields, fileFormat, segmentIds: [segmentId] }
      side.orders.push({ dataflowId: await createDataflow(api, dataflow), segmentId })
    }
  }
}

async function benchExport(sides: Sides): Promise<void> {
  heading(`Export of ${count(ROWS)} profiles, six columns, one required`)
  const times = new Map<Side, number[]>()
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const side of both(sides)) {
      const taken = await activateAll(side.api, side.orders.slice(0, 1))
      if (round > 0) times.set(side, [...(times.get(side) ?? []), taken]) // after a warm-up
    }
  }
  const [ofSqlite = [], ofPostgres = []] = both(sides).map((side) => times.get(side))
  figure('request to SUCCESS: SQLite, PostgreSQL', [ofSqlite, ofPostgres].map(median).map(seconds).join(', '))
  const ratio = median(ofPostgres.map((value, round) => value / (ofSqlite[round] ?? Number.NaN)))
  figure('ratio', ratio.toFixed(2), held(ratio <= 2, 'at most 2'))

  heading(`${SEGMENTS_AT_ONCE} such exports at once`)
  for (const workers of [1, 2]) {
    for (const side of both(sides)) {
      while (side.workers.length < workers) await addWorker(side)
      const taken = await activateAll(side.api, side.orders)
      const rate = Math.round((ROWS * SEGMENTS_AT_ONCE) / taken)
      figure(
        `${side.name}: ${workers} worker${workers > 1 ? 's' : ''}`,
        `${count(rate)} rows/s (${seconds(taken)})`,
      )
    }
  }
}

async function benchClaims(sides: Sides): Promise<void> {
  heading(`Claims by processes, ${count(RUNS)} queued runs, each claimed and ended`)
  for (const workers of [1, 2, 4, 8]) {
    for (const side of both(sides)) {
      const own = Array.from({ length: workers }, () => child(side))
      const [first] = own
      if (!first) throw new Error('there are no workers')
      await order(first, 'queue', { runs: RUNS })
      await Promise.all(own.map((one) => order(one, 'connect')))
      const claimed = await Promise.all(own.map((one) => order<Claimed>(one, 'claim')))
      const runIds = claimed.flatMap((some) => some.runIds)
      const took =
        Math.max(...claimed.map(({ ended }) => ended)) - Math.min(...claimed.map(({ began }) => began))
      const checked = await order<{ ended: number; started: number }>(first, 'check', { runIds })
      const isOnce = [runIds.length, new Set(runIds).size, checked.ended, checked.started].every(
        (n) => n === RUNS,
      )
      figure(
        `${side.name}: ${workers} worker${workers > 1 ? 's' : ''}`,
        `${count(Math.round((RUNS / took) * 1000))} claims/s`,
        held(isOnce, 'each claimed once'),
      )
      for (const one of own) await order(one, 'stop')
    }
  }
}

function child({ env }: Side): ChildProcess {
  const one = fork(path.join(import.meta.dirname, 'postgres-process.ts'), {
    env: { ...process.env, PORT: '0', LOG_LEVEL: 'error', ...env },
  })
  children.push(one)
  return one
}

/** A bar that decides about the exit code. */
function held(isMet: boolean, text: string): string {
  if (!isMet) process.exitCode = 1
  return bar(isMet, text)
}

async function ask<Row>(query: string): Promise<Row[]> {
  const client = new pg.Client(server?.url)
  await client.connect()
  try {
    return (await client.query(query)).rows
  } finally {
    await client.end()
  }
}

function count(value: number): string {
  return value.toLocaleString('en')
}
