// Sending again only what the destination refused: through the services, the worker and real files.
import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RejectionReason, RunStatus } from '../../src/domain/model.ts'
import { runWorker } from '../../src/engine/worker.ts'
import { activationService } from '../../src/services/activation.ts'
import { profileService } from '../../src/services/profile.ts'
import { runService } from '../../src/services/run.ts'
import { segmentService } from '../../src/services/segment.ts'
import { runStore } from '../../src/storage/run.ts'
import { activated, worldOf } from '../support/activation.ts'
import { refusalOf, withRoles } from '../support/building.ts'
import { silent, type TestDatabase, testDatabase } from '../support/database.ts'
import { runRow, untilEnded } from '../support/export-scene.ts'
import { addProfiles, evaluate } from '../support/segments.ts'

let test: TestDatabase
let worker: ReturnType<typeof runWorker>
beforeEach(async () => {
  test = await testDatabase()
  const { database, ctx } = test
  await database.life.register('proc')
  worker = runWorker({ ...ctx, database, log: silent, processId: 'proc', concurrency: 1 })
  worker.start()
})
afterEach(async () => {
  await worker.stop()
  await test.dispose()
})

const people = (...emails: string[]) => emails.map((email) => ({ email, consent: true }))

/** A run that has sent five people, and which of them it was told were refused, as a driver would have recorded. */
async function aRun(options: { emails?: string[]; filenameTemplate?: string } = {}) {
  const { emails = ['a@x', 'b@x', 'c@x', 'd@x', 'e@x'], filenameTemplate = null } = options
  const world = worldOf(test, test.sandboxId)
  await addProfiles(test, people(...emails))
  const rule = { attribute: { path: 'email', operator: 'EXISTS' as const } }
  const segment = await segmentService(test.ctx).create(test.session, { name: 'All', rule })
  await evaluate(test, [segment.id])
  const dataflow = await world.dataflow(await world.destination(), { deduplicateBy: ['email'] })
  await world.map(dataflow, segment, { filenameTemplate })
  const input = { activations: [{ dataflowId: dataflow.id, segmentIds: [segment.id] }] }
  const [run] = activated(await activationService(test.ctx).activate(test.session, input)).runs
  await untilEnded(test, run!.id)
  return { run: run!, dataflow, segment, world }
}
/** By the keys of the profiles, which count from 1. */
async function reject(runId: string, rows: Record<number, RejectionReason>): Promise<void> {
  const { db, tables } = test.database
  const { id, key } = tables.profiles
  const ids = new Map((await db.select({ id, key }).from(tables.profiles)).map((row) => [row.key, row.id]))
  const values = Object.entries(rows).map(([key, reason]) => ({
    runId,
    profileId: ids.get(key) ?? 0,
    reason,
  }))
  await test.database.batch([db.insert(tables.rejections).values(values)])
}
const again = (id: string) => runService(test.ctx).retryRejections(test.session, id)
async function contentOf(runId: string): Promise<string[]> {
  const [file] = await runStore(test.database).filesOf([runId])
  const text = fs.readFileSync(path.join(test.exportRoot, file?.location ?? ''), 'utf8')
  return text.trimEnd().split('\r\n').slice(1)
}
const REFUSED = 'REFUSED_BY_DESTINATION'

describe('retrying rejections', () => {
  it('sends those that the destination refused, and nobody else', async () => {
    const { run } = await aRun()
    await reject(run.id, { 2: REFUSED, 4: REFUSED, 5: 'INVALID_VALUE' })
    const queued = await again(run.id)
    expect(queued).toMatchObject({ status: 'QUEUED', trigger: 'AD_HOC', retryOf: run.id, total: 2 })
    expect(queued.snapshotId).toBe(run.snapshotId)
    await untilEnded(test, queued.id)
    expect(await contentOf(queued.id)).toEqual(['b@x', 'd@x'])
    const [file] = await runStore(test.database).filesOf([queued.id])
    const manifest = fs.readFileSync(path.join(test.exportRoot, `${file?.location}.manifest.json`), 'utf8')
    expect(JSON.parse(manifest)).toMatchObject({ rows: 2, refusedIn: run.id })
    expect(await runRow(test, queued.id)).toMatchObject({ status: 'SUCCESS', received: 2, exported: 2 })
  })

  it('goes on from run to run: the refused of the refused, and a repetition of the same', async () => {
    const { run } = await aRun()
    await reject(run.id, { 1: REFUSED, 3: REFUSED })
    const second = await again(run.id)
    await untilEnded(test, second.id)
    await reject(second.id, { 3: REFUSED })
    const third = await again(second.id)
    await untilEnded(test, third.id)
    expect(await contentOf(third.id)).toEqual(['c@x'])
    const repeated = await runService(test.ctx).retry(test.session, second.id)
    await untilEnded(test, repeated.id)
    expect(await contentOf(repeated.id)).toEqual(['a@x', 'c@x'])
  })

  it('looks for duplicates among them alone', async () => {
    const { run } = await aRun({ emails: ['a@x', 'b@x'] })
    await addProfiles(test, people('a@x', 'a@x'))
    await reject(run.id, { 2: REFUSED })
    const queued = await again(run.id)
    await untilEnded(test, queued.id)
    expect(await contentOf(queued.id)).toEqual(['a@x'])
    expect(await runRow(test, queued.id)).toMatchObject({ exported: 1, excluded: 0 })
  })

  it('reads them page by page, however many there are', async () => {
    const emails = Array.from({ length: 9_000 }, (_, index) => `p${index}@x`)
    const { run } = await aRun({ emails })
    const refused = emails.filter((_, index) => index % 2 === 1)
    await reject(run.id, Object.fromEntries(refused.map((_, index) => [2 * index + 2, REFUSED])))
    const queued = await again(run.id)
    await untilEnded(test, queued.id)
    expect(await contentOf(queued.id)).toEqual(refused)
  })

  it('never takes the place of the whole file, though its name is static', async () => {
    const { run } = await aRun({ filenameTemplate: 'latest' })
    await reject(run.id, { 2: REFUSED })
    const queued = await again(run.id)
    await untilEnded(test, queued.id)
    const files = fs.readdirSync(path.join(test.exportRoot, 'out')).filter((name) => name.endsWith('.csv'))
    expect(files.sort()).toEqual(['latest.csv', `latest_${queued.id}.csv`])
    expect(await contentOf(run.id)).toHaveLength(5)
  })

  it('is refused when nothing was, while the run goes on, and by the guardrails of every retry', async () => {
    const { run, world } = await aRun()
    await reject(run.id, { 1: 'INVALID_VALUE' })
    expect(await refusalOf(again(run.id))).toMatchObject([
      { code: 'CONFLICT', nodeId: run.id, message: expect.stringContaining('refused no profile') },
    ])
    await reject(run.id, { 2: REFUSED })
    for (const status of ['PROCESSING', 'CANCELLING'] satisfies RunStatus[]) {
      // Held by this worker's process, so that nobody claims it.
      await world.setRun(run.id, { status, leaseOwner: 'proc', leaseUntil: new Date(Date.now() + 60_000) })
      expect(await refusalOf(again(run.id))).toMatchObject([
        { code: 'CONFLICT', message: expect.stringContaining(`is ${status}`) },
      ])
    }
    await world.setRun(run.id, { status: 'SUCCESS' })
    const { dataflows } = test.database.tables
    await test.database.db.update(dataflows).set({ state: 'DISABLED' })
    expect(await refusalOf(again(run.id))).toMatchObject([{ code: 'CONFLICT', nodeId: run.dataflowId }])
    const viewer = withRoles(test.session, ['VIEWER'])
    await expect(runService(test.ctx).retryRejections(viewer, run.id)).rejects.toThrow('roles')
  })

  it('makes one run of many that ask at once', async () => {
    const { run } = await aRun()
    await reject(run.id, { 2: REFUSED })
    await worker.stop()
    const answers = await Promise.allSettled(Array.from({ length: 10 }, () => again(run.id)))
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })
})

describe('erasing a profile', () => {
  it('takes it out of what is sent again, and says which files it had left in', async () => {
    const { run } = await aRun()
    await reject(run.id, { 2: REFUSED, 3: REFUSED })
    const first = await again(run.id)
    await untilEnded(test, first.id)
    const erase = (value: string) => profileService(test.ctx).delete(test.session, { key: 'id', value })
    const filesOf = async (value: string) => (await erase(value)).deliveredFiles.map(({ runId }) => runId)
    // Key 1 was delivered by the run, and never refused; key 3 was refused by it, and delivered afterwards.
    expect(await filesOf('1')).toEqual([run.id])
    expect(await filesOf('3')).toEqual([first.id])
    const second = await again(run.id)
    expect(second.total).toBe(1)
    await untilEnded(test, second.id)
    expect(await contentOf(second.id)).toEqual(['b@x'])
    await erase('2')
    expect(await refusalOf(again(run.id))).toMatchObject([{ code: 'CONFLICT' }])
  })
})
