// What the next increment is compared with, whatever happens to runs; and which increments may be sent again.
import { eq } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { activationService } from '../../src/services/activation.ts'
import { dataflowService } from '../../src/services/dataflow.ts'
import { profileService } from '../../src/services/profile.ts'
import { runService } from '../../src/services/run.ts'
import { membershipStore } from '../../src/storage/membership.ts'
import { runLease } from '../../src/storage/run-lease.ts'
import type { NewRow, Row } from '../../src/storage/tables.ts'
import { activated, aWorld } from '../support/activation.ts'
import { refusalOf } from '../support/building.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { runRow } from '../support/export-scene.ts'
import { aSchedule, aScheduler, finishRuns, HOUR, scheduledRuns } from '../support/schedule.ts'
import { addProfiles } from '../support/segments.ts'

let test: TestDatabase
let world: Awaited<ReturnType<typeof aWorld>>
let segment: Row<'segments'>
let now: number
beforeEach(async () => {
  test = await testDatabase()
  now = new Date('2026-03-01T00:01:00.000Z').getTime()
  test.setTime(new Date(now))
  world = await aWorld(test, { segments: 0 })
  segment = await world.segment()
  await map('FIRST_FULL_THEN_INCREMENTAL')
})
afterEach(() => test.dispose())

const map = (exportMode: Row<'segmentMappings'>['exportMode']) => {
  const schedule = aSchedule(exportMode === 'DAILY_FULL_EXPORT' ? 'DAILY' : 'EVERY_3_HOURS', {
    startTime: '00:00',
  })
  const segments = [{ segmentId: segment.id, exportMode, schedule }]
  return dataflowService(test.ctx).mapSegments(test.session, { dataflowId: world.dataflow.id, segments })
}
/** The segment is evaluated, and the next slot comes. */
async function slot(): Promise<Row<'runs'>> {
  segment = await world.evaluate(segment)
  now += 3 * HOUR
  test.setTime(new Date(now))
  await aScheduler(test).tick()
  return (await scheduledRuns(test)).at(-1)!
}
async function done(outcome: 'SUCCESS' | 'FAILED' = 'SUCCESS'): Promise<Row<'runs'>> {
  const { id } = await slot()
  await finishRuns(test, () => outcome)
  return runRow(test, id)
}
async function sent(): Promise<string | null | undefined> {
  const [mapping] = await test.database.db.select().from(test.database.tables.segmentMappings)
  return mapping?.sentSnapshotId
}
const again = (run: Row<'runs'>) => runService(test.ctx).retry(test.session, run.id)
const activate = async () => {
  const input = { activations: [{ dataflowId: world.dataflow.id, segmentIds: [segment.id] }] }
  return activated(await activationService(test.ctx).activate(test.session, input)).runs[0]!
}

describe('an increment is compared with', () => {
  it('what the last scheduled run that succeeded has sent', async () => {
    const first = await done()
    expect(first).toMatchObject({ mode: 'FULL', status: 'SUCCESS' })
    expect(await sent()).toBe(first.snapshotId)
    const failed = await done('FAILED')
    expect(failed.plan.since).toEqual(first.plan.snapshot)
    const third = await done()
    expect(third).toMatchObject({ mode: 'INCREMENTAL', plan: { since: first.plan.snapshot } })
    expect(await sent()).toBe(third.snapshotId)
  })

  it('nothing an ad-hoc run has sent, or a full one that was repeated by hand', async () => {
    const failed = await done('FAILED')
    expect(await again(failed)).toMatchObject({ mode: 'FULL', trigger: 'AD_HOC' })
    await finishRuns(test)
    expect(await sent()).toBeNull()
    const first = await done()
    segment = await world.evaluate(segment)
    expect(await activate()).toMatchObject({ mode: 'FULL' })
    await finishRuns(test)
    expect(await sent()).toBe(first.snapshotId)
  })

  it('nothing after another mode, or when the segment is mapped anew: it is whole again', async () => {
    await done()
    const running = await slot()
    await map('DAILY_FULL_EXPORT')
    await map('FIRST_FULL_THEN_INCREMENTAL')
    await finishRuns(test)
    expect(await runRow(test, running.id)).toMatchObject({ mode: 'INCREMENTAL', status: 'SUCCESS' })
    expect(await sent()).toBeNull()
    expect(await done()).toMatchObject({ mode: 'FULL' })
    await dataflowService(test.ctx).unmapSegments(test.session, world.dataflow.id, [segment.id])
    await map('FIRST_FULL_THEN_INCREMENTAL')
    expect(await sent()).toBeNull()
    expect(await done()).toMatchObject({ mode: 'FULL' })
  })
})

describe('an increment that is repeated', () => {
  it('counts like the first attempt, also for the run that waits for its end', async () => {
    await done()
    const failed = await done('FAILED')
    const repeated = await again(failed)
    expect(repeated).toMatchObject({ mode: 'INCREMENTAL', trigger: 'AD_HOC' })
    expect(repeated.plan.since).toEqual(failed.plan.since)
    const waiting = await slot()
    expect(waiting.plan.since).toEqual(failed.plan.since)
    const lease = runLease(test.database, 'prc_test')
    const claimed = await lease.claim(test.ctx.clock())
    expect(claimed?.id).toBe(repeated.id)
    await lease.end({ runId: repeated.id, fence: claimed!.fence }, { status: 'SUCCESS' }, test.ctx.clock())
    expect(await sent()).toBe(failed.snapshotId)
    expect((await runRow(test, waiting.id)).plan.since).toEqual(failed.plan.snapshot)
  })

  it('is refused when a later one has been sent, or they begin anew', async () => {
    await done()
    const failed = await done('FAILED')
    const later = await done()
    const refusal = [{ code: 'CONFLICT', nodeId: later.mappingId, path: ['id'] }]
    expect(await refusalOf(again(failed))).toMatchObject(refusal)
    expect(await sent()).toBe(later.snapshotId)
    await map('DAILY_FULL_EXPORT')
    expect(await refusalOf(again(later))).toMatchObject(refusal)
  })

  it('may be the one that was sent last, which changes nothing', async () => {
    await done()
    const last = await done()
    expect((await again(last)).plan.since).toEqual(last.plan.since)
    await finishRuns(test)
    expect(await sent()).toBe(last.snapshotId)
  })

  it('of which only the refused are sent does not count', async () => {
    await done()
    const failed = await done('FAILED')
    await reject(failed.id, 1)
    await runService(test.ctx).retryRejections(test.session, failed.id)
    await finishRuns(test)
    expect(await sent()).toBe(failed.plan.since?.id)
  })
})

describe('members', () => {
  it('are kept of what increments are compared with, however long ago', async () => {
    const first = await done()
    for (let count = 0; count < 4; count += 1) await done('FAILED')
    const running = await slot()
    const { snapshots, members, segmentMappings } = test.database.tables
    const versions = (await test.database.db.select().from(snapshots)).map(({ version }) => version)
    await test.database.batch([
      test.database.db.insert(members).values(versions.map((version) => ({ version, profileId: 1 }))),
    ])
    const unneeded = () => membershipStore(test.database).unneededVersions()
    const [before, now] = [first.plan.snapshot.version, running.plan.snapshot.version]
    const latest = versions.sort((a, b) => b - a).slice(0, 2)
    const others = versions.filter((version) => ![before, now, ...latest].includes(version))
    expect(others).toHaveLength(versions.length - 3)
    expect((await unneeded()).sort()).toEqual(others.sort())
    // The run under way is still compared with it; then nobody is.
    await test.database.batch([test.database.db.update(segmentMappings).set({ sentSnapshotId: null })])
    expect(await unneeded()).not.toContain(before)
    await finishRuns(test)
    expect(await unneeded()).toContain(before)
  })
})

describe('a profile that is erased', () => {
  it('is in the increments that it came or went with, and stops those that are sending it', async () => {
    await addProfiles(test, [{ email: 'a@x' }])
    const first = await done()
    const left = await done()
    await world.setRun(left.id, {
      plan: { ...left.plan, fields: [{ source: 'segmentMembership.status', target: 's', required: false }] },
    })
    const stayedAway = await done()
    const running = await slot()
    await world.setRun(running.id, { status: 'PROCESSING', phase: 'READING', fence: 1 })
    const { members, runFiles, profiles } = test.database.tables
    const [profile] = await test.database.db.select({ id: profiles.id }).from(profiles)
    const profileId = profile!.id
    const version = (run: Row<'runs'>) => ({ version: run.plan.snapshot.version, profileId })
    const aFile = (run: Row<'runs'>): NewRow<'runFiles'> => ({
      runId: run.id,
      part: 1,
      name: run.id,
      location: run.id,
      rows: 1,
      bytes: 1,
      sha256: '',
    })
    await test.database.batch([
      test.database.db.insert(members).values([version(first)]),
      test.database.db.insert(runFiles).values([first, left, stayedAway].map(aFile)),
    ])
    const { deliveredFiles } = await profileService(test.ctx).delete(test.session, { key: 'id', value: '1' })
    expect(deliveredFiles.map(({ runId }) => runId).sort()).toEqual([first.id, left.id].sort())
    expect((await runRow(test, running.id)).fence).toBe(2)
  })
})

async function reject(runId: string, profileId: number): Promise<void> {
  const { db, tables } = test.database
  await test.database.batch([
    db.insert(tables.rejections).values({ runId, profileId, reason: 'REFUSED_BY_DESTINATION' }),
  ])
  expect(await db.select().from(tables.rejections).where(eq(tables.rejections.runId, runId))).toHaveLength(1)
}
