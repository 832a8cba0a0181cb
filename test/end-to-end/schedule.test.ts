// A gateway left alone: what is scheduled is at its destination, on time.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { compose, type Gateway } from '../../src/compose.ts'
import { readConfig } from '../../src/config.ts'
import { adminSession, silent } from '../support/database.ts'

let dir: string
let gateway: Gateway
let clock: () => Date
beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-schedule-'))
})
afterEach(async () => {
  await gateway.stop()
  fs.rmSync(dir, { recursive: true, force: true })
})

/** From now on it is this time, and time goes on. */
function setTime(time: string) {
  const [base, began] = [Date.parse(time), performance.now()]
  clock = () => new Date(base + performance.now() - began)
}
const ended = async (runs: number) => {
  const { db, tables } = gateway.database
  const rows = await db.select().from(tables.runs)
  expect(rows.filter(({ status }) => status === 'SUCCESS')).toHaveLength(runs)
  return rows
}

it('exports by itself when a slot comes', async () => {
  setTime('2026-05-04T04:00:00.000Z')
  const config = readConfig({ DATA_DIR: dir, LOG_LEVEL: 'silent', WORKERS: '1', PORT: '0' })
  gateway = await compose(config, { log: silent, clock: () => clock() })
  await gateway.start({ api: false, engine: true })
  const { services, database } = gateway
  const [sandbox] = await database.db.select().from(database.tables.sandboxes)
  const session = adminSession(sandbox!)
  await services.profile.upsert(session, { key: 'id', profiles: [{ id: 1, email: 'a@example.org' }] })
  const rule = { attribute: { path: 'email', operator: 'EXISTS' as const } }
  const segment = await services.segment.create(session, { name: 'All', rule })
  await services.segment.evaluate(session, null)
  await vi.waitFor(async () => {
    const [job] = await database.db.select().from(database.tables.segmentationJobs)
    expect(job?.status).toBe('SUCCEEDED')
  })
  const disk = { name: 'Disk', type: 'LOCAL_DIRECTORY', settings: { path: 'out' } }
  const { id: destinationId } = await services.destination.create(session, disk)
  const schedule = { frequency: 'DAILY' as const, startDate: '2026-05-01', startTime: '06:00' }
  await services.dataflow.create(session, {
    name: 'Daily',
    destinationId,
    fields: [{ source: 'email', target: 'email' }],
    segments: [{ segmentId: segment.id, schedule }],
  })
  setTime('2026-05-04T05:59:59.800Z')
  database.wake.notify('jobs') // it had made itself comfortable at four o'clock
  const [run] = await vi.waitFor(() => ended(1), { timeout: 20_000 })
  expect(run).toMatchObject({ trigger: 'SCHEDULED', mode: 'FULL', exported: 1, isLate: false })
  expect(run?.dueAt?.toISOString()).toBe('2026-05-04T06:00:00.000Z')
  const [file] = fs.readdirSync(path.join(dir, 'exports/out')).filter((name) => name.endsWith('.csv'))
  expect(fs.readFileSync(path.join(dir, 'exports/out', file!), 'utf8')).toBe('email\r\na@example.org\r\n')
})
