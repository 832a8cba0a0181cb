import fs from 'node:fs'
import path from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { compose } from '../../../src/compose.ts'
import { readConfig } from '../../../src/config.ts'
import { adminSession, silent } from '../../support/database.ts'

const PROFILES = 60_000

export interface Scene {
  activations: { dataflowId: string; segmentIds: string[] }[]
  /** Rows that a run of the segment must deliver, and profiles that it must leave out. */
  expected: Map<string, { exported: number; excluded: number; emails?: Set<string> }>
  /** Phases of the runs that have not ended, read from the file while nobody runs; DONE when all have. */
  phasesNow(): string[]
}

/** Profiles, four evaluated segments, and two dataflows: one plain in parts, one compressed. */
export async function buildScene(dir: string): Promise<Scene> {
  const config = readConfig({ DATA_DIR: dir, MIN_MINUTES_BEFORE_AD_HOC: '0', LOG_LEVEL: 'silent' })
  fs.mkdirSync(config.exportRoot, { recursive: true })
  const gateway = await compose(config, { log: silent })
  await gateway.start({ api: false, engine: true })
  const { services, database } = gateway
  const [sandbox] = await database.db.select().from(database.tables.sandboxes)
  if (!sandbox) throw new Error('no sandbox')
  const session = adminSession(sandbox)
  for (let start = 0; start < PROFILES; start += 2_000) {
    const profiles = Array.from({ length: 2_000 }, (_, i) => profile(start + i + 1))
    await services.profile.upsert(session, { key: 'id', profiles })
  }
  const segments = []
  for (const group of [0, 1, 2, 3]) {
    const rule = { attribute: { path: 'group', operator: 'LESS_THAN' as const, value: group + 1 } }
    segments.push(await services.segment.create(session, { name: `Group ${group}`, rule }))
  }
  const job = await services.segment.evaluate(session, null)
  for (;;) {
    const [row] = await database.db.select().from(database.tables.segmentationJobs)
    if (row?.id === job.id && row.status === 'SUCCEEDED') break
    await database.wake.wait('jobs', 50)
  }
  const destination = await services.destination.create(session, {
    name: 'Disk',
    type: 'LOCAL_DIRECTORY',
    settings: { path: 'out' },
  })
  const ids = segments.map(({ id }) => id)
  const fields = [
    { source: 'email', target: 'email', required: true },
    { source: 'name', target: 'name' },
    { source: 'group', target: 'group' },
  ]
  const flow = async (name: string, fileFormat: object, segmentIds: string[]) => {
    const schedule = { frequency: 'ONCE' as const, startDate: '2020-01-01', startTime: '00:00' }
    const mapped = segmentIds.map((segmentId) => ({ segmentId, schedule }))
    const dataflow = await services.dataflow.create(session, {
      name,
      destinationId: destination.id,
      fields,
      fileFormat,
      segments: mapped,
    })
    return { dataflowId: dataflow.id, segmentIds }
  }
  const activations = [
    await flow('In parts', { maxRowsPerFile: 5_000 }, ids.slice(0, 2)),
    await flow('Compressed', { compression: 'GZIP', maxRowsPerFile: 8_000 }, ids.slice(2)),
  ]
  await gateway.stop()
  const expected = new Map(ids.map((id, group) => [id, expectation(group)]))
  return { activations, expected, phasesNow: () => phases(path.join(dir, 'gateway.db')) }
}

function profile(n: number) {
  return { id: n, name: `Name, ${n}`, group: n % 4, ...(n % 10 === 0 ? {} : { email: `p${n}@example.com` }) }
}

function expectation(group: number): { exported: number; excluded: number } {
  const members = Array.from({ length: PROFILES }, (_, i) => i + 1).filter((n) => n % 4 <= group)
  const excluded = members.filter((n) => n % 10 === 0).length
  return { exported: members.length - excluded, excluded }
}

function phases(file: string): string[] {
  const db = new BetterSqlite(file)
  const rows = db
    .prepare("select phase from runs where status in ('QUEUED', 'PROCESSING', 'CANCELLING')")
    .pluck()
    .all() as string[]
  db.close()
  return rows.length > 0 ? rows : ['DONE']
}
