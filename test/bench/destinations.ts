// The same segment to every kind of file destination on this machine, in turn, with and without compression.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { runCommand, startServer } from '../support/gateway-process.ts'
import {
  type Api,
  activate,
  apiOf,
  createAccount,
  createDataflow,
  createDestination,
  createSegment,
  evaluate,
} from '../support/http-api.ts'
import { EXPORTED, writeCsv } from './main-job-data.ts'
import { azure, localFolder, objectStore, type Place, sshServer } from './places.ts'
import { bar, figure, heading, median, seconds } from './report.ts'

const { values: options } = parseArgs({
  allowPositionals: true,
  options: { rows: { type: 'string', default: '1000000' }, rounds: { type: 'string', default: '3' } },
})
const ROWS = Number(options.rows)
const ROUNDS = Number(options.rounds)
const MAX_PEAK_MB = 300
const MAX_RATIO = 2
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-bench-'))
const exportRoot = path.join(dir, 'exports')
const env = {
  DATA_DIR: path.join(dir, 'data'),
  EXPORT_ROOT: exportRoot,
  ADMIN_TOKEN: 'bench-token-0123456789',
  MIN_MINUTES_BEFORE_AD_HOC: '0',
  OUTBOUND_ALLOW: 'http://127.0.0.1',
}
/** Of one round; `bare` is the same bytes by the place's own client. */
interface Round {
  seconds: number
  bare: number
  bytes: number
  rows: number
}
/** The segment to one place, in one way. */
interface Order {
  compression: string
  flow: string
  segmentId: string
}

const places: Place[] = []
try {
  await bench()
} finally {
  for (const place of places) await place.stop()
  fs.rmSync(dir, { recursive: true, force: true })
}

async function bench(): Promise<void> {
  const columns = `${EXPORTED.length} columns, one required`
  heading(`A segment of ${ROWS.toLocaleString('en')}, ${columns}; node ${process.version}, on loopback`)
  const ssh = await sshServer()
  if (!ssh) console.log('  there is no sshd here: without SFTP')
  places.push(await localFolder(exportRoot), await objectStore(), ...(ssh ? [ssh] : []), await azure())
  const csv = path.join(dir, 'customers.csv')
  await writeCsv(csv, ROWS)
  await runCommand(['import', csv, '--key', 'customer_id', '--json'], env)
  const orders = await compare()
  heading('Peak memory of a gateway of its own, three times the same')
  for (const [n, { type }] of places.entries()) await remember(type, orders[n] ?? [])
}

/** The orders of each place, one for each compression. */
async function compare(): Promise<Order[][]> {
  const orders: Order[][] = places.map(() => [])
  const server = await startServer(env)
  try {
    const api = apiOf(server.url, env.ADMIN_TOKEN)
    const segmentId = await createSegment(api, 'Everybody', {
      attribute: { path: 'customer_id', operator: 'EXISTS' },
    })
    await evaluate(api, [segmentId])
    const destinations = await connect(api)
    for (const compression of ['NONE', 'GZIP']) {
      for (const [n, destinationId] of destinations.entries()) {
        const fields = EXPORTED.map((name) => ({ source: name, target: name, required: name === 'email' }))
        const name = `${places[n]?.type} ${compression}`
        const fileFormat = { compression }
        const segmentIds = [segmentId]
        const flow = await createDataflow(api, { name, destinationId, fields, fileFormat, segmentIds })
        orders[n]?.push({ compression, flow, segmentId })
      }
      report(compression, await rounds({ api, orders: orders.map((all) => all.at(-1) as Order) }))
    }
    figure('peak memory of the one gateway that did all this', `${server.peakMb()} MB`)
  } finally {
    await server.stop()
  }
  return orders
}

/** What a gateway needs that knows this place alone: the libraries of others stay where they are. */
async function remember(type: string, orders: readonly Order[]): Promise<void> {
  for (const { compression, flow, segmentId } of orders) {
    const server = await startServer(env)
    try {
      const api = apiOf(server.url, env.ADMIN_TOKEN)
      for (let time = 0; time < 3; time += 1) await activate(api, flow, segmentId)
      const peak = server.peakMb()
      const verdict = bar(peak === null || peak < MAX_PEAK_MB, `under ${MAX_PEAK_MB}`)
      figure(`${type}, ${compression}`, `${peak} MB`, verdict)
    } finally {
      await server.stop()
    }
  }
}

async function connect(api: Api): Promise<string[]> {
  const ids: string[] = []
  for (const { type, account, settings } of places) {
    const accountId = account && (await createAccount(api, { name: type, type, ...account }))
    ids.push(await createDestination(api, { name: type, type, settings, ...(accountId && { accountId }) }))
  }
  return ids
}

/** Of each place its rounds; the places take turns, because machines drift. The first round is a warm-up. */
async function rounds(options: { api: Api; orders: readonly Order[] }): Promise<Round[][]> {
  const { api, orders } = options
  const measured: Round[][] = places.map(() => [])
  for (let round = 0; round <= ROUNDS; round += 1) {
    let file = ''
    for (const [n, place] of places.entries()) {
      const { flow = '', segmentId = '' } = orders[n] ?? {}
      const run = await activate(api, flow, segmentId)
      const taken = (Date.parse(run.completedAt) - Date.parse(run.createdAt)) / 1000
      if (place.type === 'LOCAL_DIRECTORY') file = keepCopy()
      const began = performance.now()
      await place.bare?.(file)
      const bare = place.bare ? (performance.now() - began) / 1000 : Number.NaN
      await place.clear()
      const { bytes, exported } = run.progress
      if (round > 0) measured[n]?.push({ seconds: taken, bare, bytes: Number(bytes), rows: Number(exported) })
    }
  }
  return measured
}

/** What the local export wrote, to be put elsewhere by other means. */
function keepCopy(): string {
  const folder = path.join(exportRoot, 'bench')
  const name = fs.readdirSync(folder).find((entry) => !entry.endsWith('.manifest.json'))
  const copy = path.join(dir, 'export')
  fs.copyFileSync(path.join(folder, name ?? ''), copy)
  return copy
}

function report(compression: string, measured: Round[][]): void {
  heading(`Compression ${compression}: request to SUCCESS, median of ${ROUNDS}`)
  const [local = []] = measured
  for (const [n, { type, bare }] of places.entries()) {
    const all = measured[n] ?? []
    const of = (value: (round: Round) => number) => median(all.map(value))
    const taken = of((round) => round.seconds)
    const rate = (rows: number) => Math.round(rows / taken).toLocaleString('en')
    const mb = (bytes: number, time: number) => `${(bytes / 1e6 / time).toFixed(1)} MB/s`
    const bytes = of((round) => round.bytes)
    figure(type, `${seconds(taken)}, ${rate(of((round) => round.rows))} rows/s, ${mb(bytes, taken)}`)
    if (!bare) continue
    const alone = of((round) => round.bare)
    figure('  the same bytes by its own client', `${seconds(alone)}, ${mb(bytes, alone)}`)
    const ratio = median(all.map((round, at) => round.seconds / (local[at]?.seconds ?? Number.NaN)))
    const isServer = ratio > MAX_RATIO && alone > taken / MAX_RATIO
    const verdict = isServer ? 'the server is the limit' : bar(ratio <= MAX_RATIO, `at most ${MAX_RATIO}`)
    figure('  times LOCAL_DIRECTORY', ratio.toFixed(2), verdict)
  }
}
