// The main job at a million profiles, through the real processes.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { runCommand, runProcess, type Server, startServer } from '../support/gateway-process.ts'
import { type Api, activate, apiOf, createDataflow, createSegment, evaluate } from '../support/http-api.ts'
import { latencies } from './latency.ts'
import { attribute, EXPORTED, hundredRules, writeCsv, writeFlatTable } from './main-job-data.ts'
import { bar, figure, heading, median, seconds } from './report.ts'

const { values: options } = parseArgs({
  allowPositionals: true,
  options: { rows: { type: 'string', default: '1000000' }, rounds: { type: 'string', default: '5' } },
})
const ROWS = Number(options.rows)
const ROUNDS = Number(options.rounds)
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-bench-'))
const env = {
  DATA_DIR: path.join(dir, 'data'),
  ADMIN_TOKEN: 'bench-token-0123456789',
  MIN_MINUTES_BEFORE_AD_HOC: '0',
}
const csv = path.join(dir, 'customers.csv')
const flat = path.join(dir, 'flat.db')
const FLAT_QUERY = `select ${EXPORTED.join(', ')} from flat where email is not null order by id`

try {
  heading(
    `${ROWS.toLocaleString('en')} profiles, 12 attributes; node ${process.version}, ${os.availableParallelism()} cores`,
  )
  await writeCsv(csv, ROWS)
  writeFlatTable(flat, ROWS)
  await benchImport()
  const server = await startServer(env)
  try {
    const api = apiOf(server.url, env.ADMIN_TOKEN)
    const all = await benchSegmentation(api)
    const flows = await dataflows(api, all)
    await benchExport(api, server, { ...flows, all })
    await benchLatency(api, server, { dataflowId: flows.csv, segmentId: all.whole })
  } finally {
    await server.stop()
  }
} finally {
  fs.rmSync(dir, { recursive: true, force: true })
}

async function benchImport(): Promise<void> {
  heading('Import')
  const { seconds: taken, peakMb } = await runCommand(['import', csv, '--key', 'customer_id', '--json'], env)
  const rate = Math.round(ROWS / taken)
  figure(
    'CSV file to profiles',
    `${rate.toLocaleString('en')} rows/s (${seconds(taken)})`,
    bar(rate >= 60_000, 'at least 60,000'),
  )
  figure('peak memory of the process', `${peakMb} MB`, bar(peakMb === null || peakMb < 300, 'under 300'))
}

/** A hundred segments of all kinds of conditions, a tenth of the profiles, and everybody. */
async function benchSegmentation(api: Api): Promise<{ whole: string; tenth: string }> {
  heading('Segmentation')
  const ids: string[] = []
  for (const [n, rule] of hundredRules().entries()) ids.push(await createSegment(api, `Segment ${n}`, rule))
  figure('10 segments', seconds(await evaluate(api, ids.slice(0, 10))))
  const hundred = await evaluate(api, ids)
  figure('100 segments', seconds(hundred), bar(hundred <= 120, 'at most 120 s'))
  const whole = await createSegment(api, 'Everybody', attribute('customer_id', 'EXISTS'))
  const tenth = await createSegment(api, 'A tenth', attribute('rentals', 'LESS_THAN', 5))
  await evaluate(api, [whole, tenth])
  return { whole, tenth }
}

async function dataflows(api: Api, { whole, tenth }: { whole: string; tenth: string }) {
  const fields = EXPORTED.map((name) => ({ source: name, target: name, required: name === 'email' }))
  const flow = (name: string, compression: string) =>
    createDataflow(api, { name, fields, fileFormat: { compression }, segmentIds: [whole, tenth] })
  return { csv: await flow('plain', 'NONE'), gzip: await flow('packed', 'GZIP') }
}

async function benchExport(
  api: Api,
  server: Server,
  { csv: plain, gzip, all }: { csv: string; gzip: string; all: { whole: string; tenth: string } },
): Promise<void> {
  heading(
    `Export of a segment of ${ROWS.toLocaleString('en')}, six columns, one required, against the sqlite3 command line`,
  )
  const hasSqlite = await runProcess('sqlite3', ['--version']).then(
    () => true,
    () => false,
  )
  if (!hasSqlite) console.log('  sqlite3 is not installed: times without the comparison')
  const out = path.join(dir, 'sqlite.out')
  for (const [name, dataflowId, command] of [
    ['CSV', plain, `sqlite3 -csv '${flat}' '${FLAT_QUERY}' > '${out}'`],
    ['CSV.gz', gzip, `sqlite3 -csv '${flat}' '${FLAT_QUERY}' | gzip -1 > '${out}'`],
  ] as const) {
    const [ours, theirs]: [number[], number[]] = [[], []]
    for (let round = 0; round <= ROUNDS; round += 1) {
      const run = await activate(api, dataflowId, all.whole)
      const reference = hasSqlite ? await runProcess('sh', ['-c', command]) : { seconds: Number.NaN }
      if (round === 0) continue // a warm-up
      ours.push((Date.parse(run.completedAt) - Date.parse(run.createdAt)) / 1000)
      theirs.push(reference.seconds)
    }
    const ratio = median(ours.map((value, index) => value / (theirs[index] ?? Number.NaN)))
    figure(`${name}: request to SUCCESS, sqlite3`, `${seconds(median(ours))}, ${seconds(median(theirs))}`)
    figure(`${name}: ratio`, ratio.toFixed(2), bar(!(ratio > 1.5), 'at most 1.5'))
  }
  const peaks: (number | null)[] = []
  for (const segmentId of [all.tenth, all.whole]) {
    server.resetPeak()
    await activate(api, plain, segmentId)
    peaks.push(server.peakMb())
  }
  figure(
    'peak memory of the server, a tenth and all',
    `${peaks.join(' MB, ')} MB`,
    bar(
      peaks.every((mb) => mb === null || mb < 300),
      'under 300',
    ),
  )
}

async function benchLatency(
  api: Api,
  server: Server,
  order: { dataflowId: string; segmentId: string },
): Promise<void> {
  heading('A small query')
  const query = '{ segments(first: 10) { nodes { id name status } } }'
  const measure = (until: () => boolean) =>
    latencies({ url: server.url, token: env.ADMIN_TOKEN, query, until })
  const end = Date.now() + 6_000
  await measure(() => Date.now() > end - 4_000)
  const idle = await measure(() => Date.now() > end)
  let exporting = true
  const exports = (async () => {
    for (let n = 0; n < 5; n += 1) await activate(api, order.dataflowId, order.segmentId)
    exporting = false
  })()
  const busy = await measure(() => !exporting)
  await exports
  const show = ({ p50, p99, count }: typeof idle) =>
    `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms (${count} queries)`
  figure('idle', show(idle))
  figure('while exporting', show(busy))
  const ratio = busy.p99 / idle.p99
  figure('p99 while exporting / idle', ratio.toFixed(2), bar(ratio <= 3, 'at most 3'))
}
