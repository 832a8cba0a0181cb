// The same segment to every kind of file destination on this machine, in turn, with and without compression.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { runCommand, type Server, startServer } from '../support/gateway-process.ts'
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
  peakMb: number | null
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
  const server = await startServer(env)
  try {
    const api = apiOf(server.url, env.ADMIN_TOKEN)
    const segmentId = await createSegment(api, 'Everybody', {
      attribute: { path: 'customer_id', operator: 'EXISTS' },
    })
    await evaluate(api, [segmentId])
    const destinations = await connect(api)
    for (const compression of ['NONE', 'GZIP']) {
      const flows: string[] = []
      for (const [n, destinationId] of destinations.entries()) {
        const fields = EXPORTED.map((name) => ({ source: name, target: name, required: name === 'email' }))
        const name = `${places[n]?.type} ${compression}`
        const fileFormat = { compression }
        flows.push(
          await createDataflow(api, { name, destinationId, fields, fileFormat, segmentIds: [segmentId] }),
        )
      }
      report(compression, await rounds({ api, server, flows, segmentId }))
    }
  } finally {
    await server.stop()
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
async function rounds(options: {
  api: Api
  server: Server
  flows: string[]
  segmentId: string
}): Promise<Round[][]> {
  const { api, server, flows, segmentId } = options
  const measured: Round[][] = places.map(() => [])
  for (let round = 0; round <= ROUNDS; round += 1) {
    let file = ''
    for (const [n, place] of places.entries()) {
      server.resetPeak()
      const run = await activate(api, flows[n] ?? '', segmentId)
      const peakMb = server.peakMb()
      const taken = (Date.parse(run.completedAt) - Date.parse(run.createdAt)) / 1000
      if (place.type === 'LOCAL_DIRECTORY') file = keepCopy()
      const began = performance.now()
      await place.bare?.(file)
      const bare = place.bare ? (performance.now() - began) / 1000 : Number.NaN
      await place.clear()
      const { bytes, exported } = run.progress
      if (round > 0)
        measured[n]?.push({ seconds: taken, bare, bytes: Number(bytes), rows: Number(exported), peakMb })
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
    const peak = Math.max(...all.map((round) => round.peakMb ?? 0))
    figure('  peak memory of the gateway', `${peak} MB`, bar(peak < MAX_PEAK_MB, `under ${MAX_PEAK_MB}`))
    if (!bare) continue
    const alone = of((round) => round.bare)
    figure('  the same bytes by its own client', `${seconds(alone)}, ${mb(bytes, alone)}`)
    const ratio = median(all.map((round, at) => round.seconds / (local[at]?.seconds ?? Number.NaN)))
    const isServer = ratio > MAX_RATIO && alone > taken / MAX_RATIO
    const verdict = isServer ? 'the server is the limit' : bar(ratio <= MAX_RATIO, `at most ${MAX_RATIO}`)
    figure('  times LOCAL_DIRECTORY', ratio.toFixed(2), verdict)
  }
}
