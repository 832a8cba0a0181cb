import { eq } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AccessError, Refusal } from '../../src/domain/errors.ts'
import type { RunStatus } from '../../src/domain/model.ts'
import { activationService } from '../../src/services/activation.ts'
import { runService } from '../../src/services/run.ts'
import { runLease } from '../../src/storage/run-lease.ts'
import { activated, aWorld } from '../support/activation.ts'
import { addSandbox, adminSession, type TestDatabase, testDatabase } from '../support/database.ts'

const START = new Date('2026-11-22T09:30:00.000Z')
const LATER = new Date('2026-11-22T09:30:01.000Z')
let test: TestDatabase
let service: ReturnType<typeof runService>
beforeEach(async () => {
  test = await testDatabase()
  test.setTime(START)
  service = runService(test.ctx)
})
afterEach(() => test.dispose())

/** A world with one queued run. */
async function aRun(options: { filenameTemplate?: string } = {}) {
  const world = await aWorld(test, { segments: 0 })
  const segment = await world.segment()
  await world.map(world.dataflow, segment, options)
  const input = { activations: [{ dataflowId: world.dataflow.id, segmentIds: [segment.id] }] }
  const activate = () => activationService(test.ctx).activate(test.session, input)
  const [run] = activated(await activate()).runs
  if (!run) throw new Error('no run')
  return { ...world, segment, run, activate }
}
const refusalOf = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  if (error instanceof Refusal) return error.errors
  throw error ?? new Error('was not refused')
}
const eventsOf = async (runId: string) => {
  const { runEvents } = test.database.tables
  const rows = await test.database.db.select().from(runEvents).where(eq(runEvents.runId, runId))
  return rows.map(({ seq, type }) => `${seq} ${type}`)
}

describe('cancel', () => {
  it('ends a queued run at once, with its terminal event', async () => {
    const { run } = await aRun()
    expect(await service.cancel(test.session, run.id)).toMatchObject({
      status: 'CANCELLED',
      phase: 'DONE',
      completedAt: START,
    })
    expect(await eventsOf(run.id)).toEqual(['1 QUEUED', '2 CANCELLED'])
  })

  it('asks the worker of a processing run to stop, and answers the same when asked again', async () => {
    const { run } = await aRun()
    await runLease(test.database, 'me').claim(START)
    const cancelling = await service.cancel(test.session, run.id)
    expect(cancelling).toMatchObject({ status: 'CANCELLING', completedAt: null })
    expect(await service.cancel(test.session, run.id)).toEqual(cancelling)
    expect(await eventsOf(run.id)).toEqual(['1 QUEUED', '2 STARTED', '3 CANCELLING'])
  })

  it.each(['SUCCESS', 'FAILED', 'CANCELLED'] as const)('refuses a run that ended with %s', async (status) => {
    const { run, setRun } = await aRun()
    await setRun(run.id, { status, phase: 'DONE' })
    expect(await refusalOf(service.cancel(test.session, run.id))).toEqual([
      { code: 'CONFLICT', nodeId: run.id, path: ['id'], message: expect.stringContaining(status) },
    ])
  })

  it('refuses once the files appear', async () => {
    const { run, setRun } = await aRun()
    await setRun(run.id, { status: 'PROCESSING', phase: 'FINALIZING' })
    const errors = await refusalOf(service.cancel(test.session, run.id))
    expect(errors).toMatchObject([{ code: 'CONFLICT', nodeId: run.id }])
  })

  it('goes by what the run has become when a worker claims it in between', async () => {
    const { run } = await aRun()
    const { database } = test
    let raced = false
    const racing = runService({
      ...test.ctx,
      database: {
        ...database,
        batch: async (writes) => {
          if (!raced) {
            raced = true
            await runLease(database, 'me').claim(START)
          }
          return database.batch(writes)
        },
      },
    })
    expect(await racing.cancel(test.session, run.id)).toMatchObject({ status: 'CANCELLING' })
    expect(await eventsOf(run.id)).toEqual(['1 QUEUED', '2 STARTED', '3 CANCELLING'])
  })

  it('ends a run once however many ask', async () => {
    const { run } = await aRun()
    const asked = Array.from({ length: 20 }, () => service.cancel(test.session, run.id))
    const answers = await Promise.allSettled(asked)
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(await eventsOf(run.id)).toEqual(['1 QUEUED', '2 CANCELLED'])
  })

  it('knows only runs that the caller may know, and needs the right', async () => {
    const { run } = await aRun()
    const other = adminSession(await addSandbox(test.database, 'other'))
    const words = [{ code: 'NOT_FOUND', path: ['id'], message: `There is no run with id "${run.id}".` }]
    expect(await refusalOf(service.cancel(other, run.id))).toEqual(words)
    const bound = { ...test.session, destinationIds: ['dst_other'] }
    expect(await refusalOf(service.cancel(bound, run.id))).toEqual(words)
    const viewer = { ...test.session, roles: ['VIEWER' as const] }
    await expect(service.cancel(viewer, run.id)).rejects.toThrow(AccessError)
    await expect(service.retry(viewer, run.id)).rejects.toThrow(AccessError)
  })
})

describe('retry', () => {
  it.each(['FAILED', 'CANCELLED', 'SUCCESS'] as const)(
    'makes a new run of one that is %s',
    async (status) => {
      const { run, setRun, segment } = await aRun()
      await setRun(run.id, { status, attempt: 3, received: 2 })
      test.setTime(LATER)
      const again = await service.retry(test.session, run.id)
      expect(again).toMatchObject({
        retryOf: run.id,
        activationId: null,
        snapshotId: run.snapshotId,
        trigger: 'AD_HOC',
        status: 'QUEUED',
        attempt: 0,
        received: 0,
        total: 3,
        createdAt: LATER,
        plan: { ...run.plan, fileName: `Files_segment${segment.id}_20261122093001` },
      })
      expect(again.id).not.toBe(run.id)
      expect(await eventsOf(again.id)).toEqual(['1 QUEUED'])
    },
  )

  it.each(['QUEUED', 'PROCESSING', 'CANCELLING'] as const)('refuses a run that is %s', async (status) => {
    const { run, setRun } = await aRun()
    await setRun(run.id, { status })
    expect(await refusalOf(service.retry(test.session, run.id))).toMatchObject([
      { code: 'CONFLICT', nodeId: run.id, message: expect.stringContaining(status) },
    ])
  })

  it('never takes the name of the earlier file, unless the template says that it replaces it', async () => {
    const nameAgain = async (filenameTemplate: string) => {
      const { run, setRun } = await aRun({ filenameTemplate })
      await setRun(run.id, { status: 'SUCCESS' })
      const again = await service.retry(test.session, run.id)
      return again.plan.fileName?.replace(again.id, '<id>')
    }
    expect(await nameAgain('daily_%DATETIME(YYYYMMdd)%')).toBe('daily_20261122_<id>')
    expect(await nameAgain('latest')).toBe('latest')
  })

  it('keeps a name of its own for the retry of a run that had one', async () => {
    const { run, setRun } = await aRun({ filenameTemplate: 'latest' })
    const plan = { ...run.plan, fileName: `latest_${run.id}`, isStaticName: false }
    await setRun(run.id, { status: 'FAILED', plan })
    const again = await service.retry(test.session, run.id)
    expect(again.plan).toMatchObject({ fileName: `latest_${again.id}`, isStaticName: false })
  })

  it('keeps the pinned fields, and takes the destination as it is set now', async () => {
    const { run, setRun, destination, dataflow } = await aRun()
    await setRun(run.id, { status: 'FAILED' })
    const { db, tables } = test.database
    const settings = { path: 'elsewhere' }
    await db.update(tables.destinations).set({ settings }).where(eq(tables.destinations.id, destination.id))
    await db.update(tables.dataflows).set({ fields: [] }).where(eq(tables.dataflows.id, dataflow.id))
    const { plan } = await service.retry(test.session, run.id)
    expect(plan).toMatchObject({ fields: run.plan.fields, destination: { settings } })
  })

  it('names everything that stands in the way', async () => {
    const { run, setRun, destination, dataflow } = await aRun()
    await setRun(run.id, { status: 'FAILED' })
    const { db, tables } = test.database
    await db.update(tables.destinations).set({ status: 'REMOVED' })
    await db.update(tables.dataflows).set({ state: 'DISABLED' })
    await db.update(tables.segmentMappings).set({ elementStatus: 'DELETED' })
    expect(await refusalOf(service.retry(test.session, run.id))).toMatchObject([
      { code: 'CONFLICT', nodeId: dataflow.id, path: ['id'] },
      { code: 'CONFLICT', nodeId: destination.id, path: ['id'] },
      { code: 'CONFLICT', nodeId: dataflow.id, path: ['id'] },
    ])
  })

  it('refuses beside an active run of the segment, naming it', async () => {
    const { run, setRun, activate } = await aRun()
    await setRun(run.id, { status: 'FAILED' })
    const [active] = activated(await activate()).runs
    expect(await refusalOf(service.retry(test.session, run.id))).toMatchObject([
      { code: 'CONFLICT', nodeId: active?.id },
    ])
  })

  it('makes one run of 20 retries at once', async () => {
    const { run, setRun } = await aRun()
    await setRun(run.id, { status: 'FAILED' })
    const asked = Array.from({ length: 20 }, () => service.retry(test.session, run.id))
    const made = (await Promise.allSettled(asked)).filter((answer) => answer.status === 'fulfilled')
    expect(made).toHaveLength(1)
    const refusals = await Promise.all(asked.map((work) => work.then(() => [], refusalFrom)))
    expect(refusals.flat()).toHaveLength(19)
    for (const error of refusals.flat()) expect(error.nodeId).toBe(made[0]?.value.id)
  })

  it('repeats the current and the previous snapshot, and none before', async () => {
    const { run, setRun, segment, evaluate } = await aRun()
    const fail = (id: string, status: RunStatus = 'FAILED') => setRun(id, { status })
    await fail(run.id)
    await evaluate(segment, 5)
    const again = await service.retry(test.session, run.id)
    expect(again).toMatchObject({ snapshotId: run.snapshotId, total: 3 })
    await fail(again.id)
    await evaluate(segment, 7)
    expect(await refusalOf(service.retry(test.session, run.id))).toMatchObject([
      { code: 'CONFLICT', nodeId: segment.id, message: expect.stringContaining('Activate the segment anew') },
    ])
  })

  it('leaves the answer of the activation as it was', async () => {
    const { run, setRun } = await aRun()
    await setRun(run.id, { status: 'FAILED' })
    await service.retry(test.session, run.id)
    const { runs } = test.database.tables
    const ofActivation = await test.database.db
      .select()
      .from(runs)
      .where(eq(runs.activationId, run.activationId ?? ''))
    expect(ofActivation.map(({ id }) => id)).toEqual([run.id])
  })
})

function refusalFrom(error: unknown) {
  if (error instanceof Refusal) return error.errors
  throw error
}
