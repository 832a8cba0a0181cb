// Slots that came while no gateway ran: two start at once on one database, and are killed in the middle of what is due.
// Each slot is one run, and each run its files, once.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Server, startServer } from '../support/gateway-process.ts'
import { type Api, apiOf } from '../support/http-api.ts'
import { expectWholeFiles } from './crash/files.ts'
import { buildScene, type Scene } from './crash/scene.ts'

const TOKEN = 'schedule-processes-token-0123456789'
const DAY_MS = 86_400_000
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-schedules-'))
const env = { DATA_DIR: dir, ADMIN_TOKEN: TOKEN, WORKERS: '1' }
let scene: Scene
const servers: Server[] = []
const start = async () => {
  const server = await startServer(env)
  servers.push(server)
  return server
}
const killed = (child: Server['child']) =>
  new Promise<void>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('close', () => resolve())
    child.kill('SIGKILL')
  })

beforeAll(async () => {
  scene = await buildScene(dir)
  await (await startServer(env)).stop() // makes the administrator
}, 60_000)
afterAll(async () => {
  for (const { child } of servers) await killed(child)
  fs.rmSync(dir, { recursive: true, force: true })
})

/** As if all segments had been mapped for every day, three days ago, and no gateway had run since. */
function missThreeSlots(): void {
  const db = new BetterSqlite(path.join(dir, 'gateway.db'))
  const hour = `${String(new Date().getUTCHours()).padStart(2, '0')}:00`
  const schedule = { frequency: 'DAILY', trigger: 'SCHEDULED', startDate: '2020-01-01', endDate: null }
  db.prepare('update segment_mappings set slots_until = ?, schedule = ?').run(
    Date.now() - 2.99 * DAY_MS,
    JSON.stringify({ ...schedule, startTime: hour }),
  )
  db.close()
}
interface RunView {
  id: string
  status: string
  trigger: string
  dueAt: string
  missedSlots: number
  segment: { id: string }
}
async function runsOf(api: Api): Promise<RunView[]> {
  const { runs } = await api<{ runs: { nodes: RunView[] } }>(
    '{ runs(first: 50) { nodes { id status trigger dueAt missedSlots segment { id } } } }',
  )
  return runs.nodes
}
const untilRuns = async (url: string, isWanted: (runs: RunView[]) => boolean): Promise<RunView[]> => {
  for (;;) {
    const runs = await runsOf(apiOf(url, TOKEN))
    if (isWanted(runs)) return runs
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

it('are run once by two gateways, though both are killed while they export', async () => {
  missThreeSlots()
  const [one, other] = await Promise.all([start(), start()])
  await untilRuns(one.url, (runs) => runs.some(({ status }) => status === 'PROCESSING'))
  await killed(one.child)
  await killed(other.child)
  const [third] = await Promise.all([start(), start()])
  const runs = await untilRuns(
    third.url,
    (all) => all.length >= 4 && all.every(({ status }) => status === 'SUCCESS' || status === 'FAILED'),
  )
  expect(runs.map(({ segment }) => segment.id).sort()).toEqual([...scene.expected.keys()].sort())
  for (const { trigger, status, missedSlots } of runs) {
    expect({ trigger, status, missedSlots }).toEqual({
      trigger: 'SCHEDULED',
      status: 'SUCCESS',
      missedSlots: 2,
    })
  }
  expect(new Set(runs.map(({ dueAt }) => dueAt)).size).toBe(1)
  await expectWholeFiles(
    apiOf(third.url, TOKEN),
    runs.map(({ id }) => id),
    { scene, dir },
  )
}, 60_000)
