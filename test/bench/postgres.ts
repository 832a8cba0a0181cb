// What a PostgreSQL on the same machine does in the time of SQLite, and what more processes on it bring.
import { type ChildProcess, fork } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { newId } from '../../src/storage/ids.ts'
import { openDatabase } from '../../src/storage/open.ts'
import { runStore } from '../../src/storage/run.ts'
import { startMember } from '../end-to-end/cluster/processes.ts'
import { runCommand, startServer } from '../support/gateway-process.ts'
import { type Api, activate, apiOf, createDataflow, createSegment, evaluate } from '../support/http-api.ts'
import { startPostgres } from '../support/postgres-server.ts'
import { attribute, EXPORTED, hundredRules, writeCsv } from './main-job-data.ts'
import { order } from './processes.ts'
import { bar, figure, heading, median, seconds } from './report.ts'

const { values: options } = parseArgs({
  allowPositionals: true,
  options: {
    rows: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '3' },
    runs: { type: 'string', default: '2000' },
  },
})
const ROWS = Number(options.rows)
const ROUNDS = Number(options.rounds)
const RUNS = Number(options.runs)
const WORKERS = [1, 2, 4, 8]
/** As it is run for good: what is committed is on the disk. */
const SAFE = {
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  shared_buffers: '512MB',
  max_wal_size: '4GB',
}
const TOKEN = 'bench-token-0123456789'
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-bench-'))
const csv = path.join(dir, 'customers.csv')
const postgres = await startPostgres(SAFE)
const urls = { SQLite: `file:${path.join(dir, 'gateway.db')}`, PostgreSQL: postgres.url }
type Kind = keyof typeof urls
const envOf = (kind: Kind) => ({
  DATABASE_URL: urls[kind],
  DATA_DIR: path.join(dir, kind),
  SECRETS_KEY: Buffer.alloc(32).toString('base64'),
  ADMIN_TOKEN: TOKEN,
  MIN_MINUTES_BEFORE_AD_HOC: '0',
  SEGMENTATION_CRON: 'off',
  WORKERS: '1',
})

try {
  heading(
    `${ROWS.toLocaleString('en')} profiles, 12 attributes; node ${process.version}, ${os.availableParallelism()} cores`,
  )
  await writeCsv(csv, ROWS)
  await benchImport()
  const sqlite = await benchGateway('SQLite')
  const own = await benchGateway('PostgreSQL')
  const ratio = own.exported / sqlite.exported
  figure('export by one worker: PostgreSQL to SQLite', ratio.toFixed(2), bar(ratio <= 2, 'at most 2'))
  await benchClaims('SQLite')
  await benchClaims('PostgreSQL')
} finally {
  await postgres.stop()
  fs.rmSync(dir, { recursive: true, force: true })
}

async function benchImport(): Promise<void> {
  heading('Import of a CSV file')
  for (const kind of ['SQLite', 'PostgreSQL'] as const) {
    const taken = await runCommand(['import', csv, '--key', 'customer_id', '--json'], envOf(kind))
    const rate = Math.round(ROWS / taken.seconds)
    const verdict = kind === 'PostgreSQL' ? bar(rate >= 60_000, 'at least 60,000') : ''
    figure(kind, `${rate.toLocaleString('en')} rows/s (${seconds(taken.seconds)})`, verdict)
  }
}

async function benchGateway(kind: Kind): Promise<{ exported: number }> {
  heading(`${kind}: segmentation and export`)
  const server = await startServer(envOf(kind))
  try {
    const api = apiOf(server.url, TOKEN)
    const ids: string[] = []
    for (const [n, rule] of hundredRules().entries()) ids.push(await createSegment(api, `Segment ${n}`, rule))
    figure('100 segments', seconds(await evaluate(api, ids)))
    const everybody: string[] = []
    for (const n of [1, 2, 3, 4]) {
      everybody.push(await createSegment(api, `Everybody ${n}`, attribute('customer_id', 'EXISTS')))
    }
    await evaluate(api, everybody)
    const fields = EXPORTED.map((name) => ({ source: name, target: name, required: name === 'email' }))
    const flow = { name: 'plain', fields, fileFormat: {}, segmentIds: everybody }
    const dataflowId = await createDataflow(api, flow)
    const exported = await benchExport(api, dataflowId, everybody[0] ?? '')
    if (kind === 'PostgreSQL') await benchWorkers(api, dataflowId, everybody)
    return { exported }
  } finally {
    await server.stop()
  }
}

/** @returns seconds from request to SUCCESS */
async function benchExport(api: Api, dataflowId: string, segmentId: string): Promise<number> {
  const taken: number[] = []
  for (let round = 0; round <= ROUNDS; round += 1) {
    const run = await activate(api, dataflowId, segmentId)
    if (round > 0) taken.push((Date.parse(run.completedAt) - Date.parse(run.createdAt)) / 1000)
  }
  const time = median(taken)
  figure('export by one worker', `${rate(ROWS, time)} rows/s (${seconds(time)})`)
  return time
}

/** Four runs at once: by the server alone, and by it and another process. */
async function benchWorkers(api: Api, dataflowId: string, segmentIds: string[]): Promise<void> {
  const all = async () => {
    const began = performance.now()
    await Promise.all(segmentIds.map((id) => activate(api, dataflowId, id)))
    return (performance.now() - began) / 1000
  }
  const one = await all()
  const second = startMember({ name: 'worker', command: 'worker', env: envOf('PostgreSQL') })
  await second.up()
  const two = await all()
  await second.stop()
  const rows = segmentIds.length * ROWS
  figure('four exports by one process', `${rate(rows, one)} rows/s (${seconds(one)})`)
  figure('four exports by two processes', `${rate(rows, two)} rows/s (${seconds(two)})`)
}

async function benchClaims(kind: Kind): Promise<void> {
  heading(`${kind}: claims, each with its end, ${RUNS.toLocaleString('en')} runs`)
  for (const workers of WORKERS) {
    await queueRuns(urls[kind], RUNS)
    const children = Array.from({ length: workers }, () =>
      fork(path.join(import.meta.dirname, 'claim-worker.ts'), [urls[kind]]),
    )
    await Promise.all(children.map((child) => order(child, 'open')))
    const began = performance.now()
    const claimed = await Promise.all(children.map((child) => order<number>(child, 'work')))
    const taken = (performance.now() - began) / 1000
    const total = claimed.reduce((sum, count) => sum + count, 0)
    await Promise.all(children.map(ended))
    const verdict = bar(total === RUNS, `${RUNS.toLocaleString('en')} once each`)
    figure(`${workers} workers`, `${rate(total, taken)} claims/s`, verdict)
  }
}

async function ended(child: ChildProcess): Promise<void> {
  await order(child, 'stop')
  child.kill()
}

/** Runs that nobody exports: of no dataflow, each of a segment of its own. */
async function queueRuns(url: string, count: number): Promise<void> {
  const database = openDatabase(url)
  const { insertQueued } = runStore(database)
  const [sandbox] = await database.db.select().from(database.tables.sandboxes)
  const ids = { dataflowId: newId('dataflow'), destinationId: newId('destination') }
  for (let n = 0; n < count; n += 100) {
    const queries = Array.from({ length: 100 }, () => {
      const segment = { id: newId('segment'), name: 'Segment' }
      return insertQueued({
        ...ids,
        id: newId('run'),
        sandboxId: sandbox?.id ?? '',
        segmentId: segment.id,
        mappingId: newId('segmentMapping'),
        snapshotId: null,
        activationId: null,
        trigger: 'AD_HOC',
        mode: 'FULL',
        plan: {
          destination: {
            id: ids.destinationId,
            name: 'Disk',
            type: 'LOCAL_DIRECTORY',
            settings: { path: 'out' },
          },
          accountId: null,
          dataflow: { id: ids.dataflowId, name: 'Flow' },
          segment,
          snapshot: { id: newId('snapshot'), version: 1 },
          fields: [],
          deduplicateBy: [],
          consentAttribute: null,
          fileFormat: null,
          fileName: null,
          isStaticName: false,
        },
        total: 0,
        createdAt: new Date(),
      })
    })
    await database.batch(queries.flat())
  }
  await database.close()
}

function rate(count: number, time: number): string {
  return Math.round(count / time).toLocaleString('en')
}
