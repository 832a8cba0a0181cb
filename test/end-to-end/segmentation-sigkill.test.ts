// A gateway that finds a missed segmentation is killed in the middle of it, twice, and is two in the end.
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { segmentService } from '../../src/services/segment.ts'
import { membershipStore } from '../../src/storage/membership.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { type Server, startServer } from '../support/gateway-process.ts'
import { addProfiles, ended, latest } from '../support/segments.ts'

const KILLS = 2
const PROFILES = 20_000
const SEGMENTS = 6
const servers: Server[] = []
let test: TestDatabase

beforeAll(async () => {
  test = await testDatabase()
  const { db, tables } = test.database
  const createdAt = new Date(Date.now() - 2 * 366 * 24 * 3_600_000)
  await test.database.batch([db.update(tables.sandboxes).set({ createdAt })])
  await addProfiles(
    test,
    Array.from({ length: PROFILES }, (_, n) => ({ n })),
  )
  let before: string | null = null
  for (let n = 0; n < SEGMENTS; n++) {
    const own = { attribute: { path: 'n', operator: 'GREATER_OR_EQUAL', value: n } }
    const rule: unknown = before === null ? own : { all: [{ segment: before }, own] }
    before = (await segmentService(test.ctx).create(test.session, { name: `from ${n}`, rule })).id
  }
}, 30_000)
afterAll(async () => {
  await Promise.all(servers.map((server) => server.stop()))
  await test.dispose()
})

const start = async () => {
  // Once a year, so that no other time comes while the test runs.
  const env = {
    DATA_DIR: test.dir,
    DATABASE_URL: test.url,
    ADMIN_TOKEN: 'segmentation-kill-0123456789',
    WORKERS: '1',
  }
  const server = await startServer({ ...env, SEGMENTATION_CRON: '0 0 1 1 *' })
  servers.push(server)
}
const kill = (server: Server) =>
  new Promise<void>((resolve) => {
    server.child.once('close', () => resolve())
    server.child.kill('SIGKILL')
  })
const jobs = () => test.database.db.select().from(test.database.tables.segmentationJobs)
const segments = () => test.database.db.select().from(test.database.tables.segments)

it('SIGKILL in the middle of segmentation loses nothing and doubles nothing', async () => {
  await start()
  for (let attempt = 1; attempt <= KILLS; attempt++) {
    await vi.waitFor(
      async () => {
        const isHalfDone = { status: 'PROCESSING', attempt, exported: expect.toSatisfy((n) => n > PROFILES) }
        expect(await jobs()).toMatchObject([isHalfDone])
      },
      { timeout: 15_000, interval: 1 },
    )
    await kill(servers.pop() as Server)
    expect(await jobs()).toMatchObject([{ status: 'PROCESSING', attempt }])
    expect((await segments()).every(({ snapshotId }) => snapshotId === null)).toBe(true)
    await Promise.all(attempt < KILLS ? [start()] : [start(), start()])
  }
  const [job] = await jobs()
  expect(await ended(test, job?.id ?? '')).toMatchObject({
    status: 'SUCCEEDED',
    trigger: 'SCHEDULED',
    attempt: KILLS + 1,
    dueAt: new Date(Date.UTC(new Date().getUTCFullYear(), 0)),
    failures: [],
  })
  for (const { id, name } of await segments()) {
    const size = PROFILES - Number(name.replace('from ', ''))
    const { keys, ...snapshot } = (await latest(test, id)) ?? { keys: [] }
    expect(snapshot, name).toMatchObject({ profileCount: size, entered: size, exited: 0 })
    expect(new Set(keys).size).toBe(size)
  }
  // What the killed attempts wrote goes away, and the time has had its job.
  const unneeded = () => membershipStore(test.database).unneededVersions()
  await vi.waitFor(async () => expect(await unneeded()).toEqual([]), { timeout: 15_000 })
  expect(await jobs()).toHaveLength(1)
}, 60_000)
