// The clean-up of years: how long it holds the database at most, and how long a read and a write of somebody else wait
// meanwhile.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { sql } from 'drizzle-orm'
import { forgetter } from '../../src/engine/retention.ts'
import { auditTrail, DONE } from '../../src/storage/audit-trail.ts'
import { silent, testDatabase } from '../support/database.ts'
import { aQueuedRun } from '../support/export-scene.ts'
import { bar, figure, heading, seconds } from './report.ts'

const { values: options } = parseArgs({
  allowPositionals: true,
  options: { rows: { type: 'string', default: '1000000' } },
})
const ROWS = Number(options.rows)
const RUNS = 200
const MAX_HOLD_MS = 50
const LONG_AGO = new Date('2020-01-01T00:00:00Z')
const AT_ONCE = 20_000

const test = await testDatabase()
const { trail, database } = auditTrail(test.database, () => LONG_AGO)
const { db, tables } = database
const few = ROWS.toLocaleString('en')
heading(
  `Retention: ${few} run events, ${few} rejections, ${few} members of an old snapshot, 10,000 audit lines`,
)

/** Rows from numbers, in pieces. */
async function fill(rowOf: (n: number) => (string | number)[], into: string, columns: string[]) {
  for (let from = 0; from < ROWS; from += AT_ONCE) {
    const rows = Array.from({ length: Math.min(AT_ONCE, ROWS - from) }, (_, index) => rowOf(from + index))
    await database.batch([{ into, columns, rows }])
  }
}
const runIds: string[] = []
for (let index = 0; index < RUNS; index += 1) {
  runIds.push((await aQueuedRun(test, { id: 'snp_1', version: 1, count: 3 })).id)
}
const runOf = (n: number) => runIds[n % RUNS] ?? ''
await db.update(tables.runs).set({
  status: 'SUCCESS',
  phase: 'DONE',
  createdAt: LONG_AGO,
  completedAt: LONG_AGO,
  eventSeq: ROWS,
})
const eventColumns = [
  'run_id',
  'seq',
  'type',
  'status',
  'phase',
  'received',
  'exported',
  'excluded',
  'failed',
  'bytes',
  'files',
  'at',
]
await fill(
  (n) => [
    runOf(n),
    2 + Math.floor(n / RUNS),
    'PROGRESS',
    'PROCESSING',
    'READING',
    n,
    n,
    0,
    0,
    n,
    0,
    LONG_AGO.getTime(),
  ],
  'run_events',
  eventColumns,
)
await fill((n) => [runOf(n), n, 'INVALID_VALUE', 'email'], 'rejections', [
  'run_id',
  'profile_id',
  'reason',
  'detail',
])
await fill((n) => [7, n], 'members', ['version', 'profile_id'])
const actor = { session: test.session, operation: 'createSegment', requestId: 'x' }
const lines = Array.from({ length: 10_000 }, () => trail.append({ ...DONE, actor, change: null }))
await Promise.all(lines)

const waits: number[] = []
const stop = new AbortController()
const others = (async () => {
  while (!stop.signal.aborted) {
    const began = performance.now()
    await db.select({ id: tables.runs.id }).from(tables.runs).limit(1)
    await database.batch([db.update(tables.sandboxes).set({ title: 'x' })])
    waits.push(performance.now() - began)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
})()
const loop = monitorEventLoopDelay({ resolution: 1 })
loop.enable()
const began = performance.now()
const retention = {
  runEventsDays: 90,
  rejectionsDays: 30,
  runsDays: null,
  idempotencyKeysDays: 1,
  snapshotsDays: 365,
  auditDays: 365,
}
const clock = () => new Date()
const forgetting = forgetter({ database, trail, retention, clock, log: silent })
const { forgotten, longestMs } = await forgetting({ signal: stop.signal })
const taken = (performance.now() - began) / 1_000
loop.disable()
stop.abort()
await others
const [left] = await db.select({ count: sql<number>`count(*)` }).from(tables.members)
const isAll =
  forgotten.runEvents === ROWS + RUNS &&
  forgotten.rejections === ROWS &&
  forgotten.auditLines === 9_999 &&
  Number(left?.count) === 0
const gone = ROWS * 3 + 10_000
figure('rows deleted', gone.toLocaleString('en'), bar(isAll, 'all that is old'))
figure('time', `${seconds(taken)}, ${Math.round(gone / taken).toLocaleString('en')} rows a second`)
figure('longest hold', `${longestMs.toFixed(1)} ms`, bar(longestMs < MAX_HOLD_MS, `under ${MAX_HOLD_MS} ms`))
figure('longest stop of the event loop', `${(loop.max / 1e6).toFixed(1)} ms`)
figure('a read and a write of others, at most', `${Math.max(...waits).toFixed(1)} ms, of ${waits.length}`)
await test.dispose()
