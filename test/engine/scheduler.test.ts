import { eq } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Frequency, Schedule } from '../../src/domain/model.ts'
import { activationService } from '../../src/services/activation.ts'
import { dataflowService } from '../../src/services/dataflow.ts'
import { destinationService } from '../../src/services/destination.ts'
import { openDatabase } from '../../src/storage/open.ts'
import { runStore } from '../../src/storage/run.ts'
import { runLease } from '../../src/storage/run-lease.ts'
import { activated, aWorld, codesOf, refused, worldOf } from '../support/activation.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { aSchedule, aScheduler, finishRuns, scheduledRuns } from '../support/schedule.ts'

let test: TestDatabase
let world: Awaited<ReturnType<typeof aWorld>>
beforeEach(async () => {
  test = await testDatabase()
  at('2026-03-01T00:30:00.000Z')
  world = await aWorld(test, { segments: 0 })
})
afterEach(() => test.dispose())

const at = (time: string) => test.setTime(new Date(time))
const map = async (schedule = aSchedule('DAILY'), changes = {}) =>
  world.map(world.dataflow, await world.segment(), { schedule, slotsUntil: test.ctx.clock(), ...changes })
const serviceOf = ({ ctx }: TestDatabase) => ({
  activation: activationService(ctx),
  dataflow: dataflowService(ctx),
  destination: destinationService(ctx),
})
const told = async () =>
  (await scheduledRuns(test)).map(({ dueAt, status, isLate, missedSlots }) => ({
    dueAt: dueAt?.toISOString(),
    status,
    isLate,
    missedSlots,
  }))
const storyOf = async (runId: string) =>
  (await runStore(test.database).eventsAfter(runId, 0, 10)).map(({ type, message }) => [type, message])

it('runs each slot once, when it comes', async () => {
  await map()
  const { tick } = aScheduler(test)
  await tick()
  expect(await told()).toEqual([])
  at('2026-03-01T06:00:00.000Z')
  await tick()
  await tick()
  const due = { dueAt: '2026-03-01T06:00:00.000Z', isLate: false, missedSlots: 0 }
  expect(await told()).toEqual([{ ...due, status: 'QUEUED' }])
  const [run] = await scheduledRuns(test)
  expect(run).toMatchObject({ mode: 'FULL', total: 3, activationId: null, retryOf: null })
  expect(run?.plan.since).toBeUndefined()
  await finishRuns(test)
  at('2026-03-02T05:59:59.999Z')
  await tick()
  expect(await told()).toEqual([{ ...due, status: 'SUCCESS' }])
  at('2026-03-02T06:00:00.000Z')
  await tick()
  expect(await scheduledRuns(test)).toHaveLength(2)
})

it('runs the latest of missed slots once, late, and tells how many were missed', async () => {
  await map(aSchedule('EVERY_3_HOURS', { startTime: '00:00' }))
  const { tick } = aScheduler(test)
  at('2026-03-01T13:10:00.000Z')
  await tick()
  const late = { dueAt: '2026-03-01T12:00:00.000Z', isLate: true, missedSlots: 3 }
  expect(await told()).toEqual([{ ...late, status: 'QUEUED' }])
  const [run] = await scheduledRuns(test)
  expect(await storyOf(run!.id)).toEqual([
    ['QUEUED', 'Late: it was due at 2026-03-01T12:00:00.000Z. Slots before it that were missed: 3.'],
  ])
})

it('records a slot that cannot run as a failed run with every reason', async () => {
  const account = await world.account({ name: 'Ops', status: 'FAILED', consentAt: null })
  const to = { type: 'SFTP', accountId: account.id }
  const dataflow = await worldOf(test, test.sandboxId).dataflow(
    await worldOf(test, test.sandboxId).destination(to),
  )
  const segment = await world.segment({ snapshotId: null })
  const { segments } = test.database.tables
  await test.database.batch([test.database.db.update(segments).set({ snapshotId: null })])
  await world.map(dataflow, segment, { schedule: aSchedule('DAILY'), slotsUntil: test.ctx.clock() })
  at('2026-03-01T06:00:01.000Z')
  await aScheduler(test).tick()
  const [run] = await scheduledRuns(test)
  expect(run).toMatchObject({
    status: 'FAILED',
    phase: 'DONE',
    completedAt: test.ctx.clock(),
    snapshotId: null,
  })
  expect(run?.error).toEqual({
    code: 'ACCOUNT_NOT_CONNECTED',
    message:
      'The account "Ops" is FAILED. Verify it, then try again. Nobody has agreed that personal data leaves through the account "Ops". Record the agreement on the account, then try again. Segment "Buyers" was never evaluated. Evaluate it, then try again.',
    retryable: false,
  })
  expect(await storyOf(run!.id)).toEqual([
    ['QUEUED', null],
    ['FAILED', run?.error?.message],
  ])
  at('2026-03-02T06:00:01.000Z')
  await aScheduler(test).tick()
  expect(await scheduledRuns(test)).toHaveLength(2)
})

it('sends nothing late after the end of the schedule, and says so', async () => {
  await map(aSchedule('DAILY', { endDate: '2026-03-02' }))
  at('2026-03-02T00:10:00.000Z')
  await aScheduler(test).tick()
  const [run] = await scheduledRuns(test)
  expect(run).toMatchObject({ status: 'FAILED', isLate: true, error: { code: 'OUTSIDE_SCHEDULE' } })
})

it('makes one of the slots that come while a run goes on', async () => {
  await map(aSchedule('EVERY_3_HOURS', { startTime: '00:00' }))
  const { tick, standing } = aScheduler(test)
  at('2026-03-01T03:00:00.000Z')
  await tick()
  for (const hour of ['06', '07', '09']) {
    at(`2026-03-01T${hour}:00:10.000Z`)
    await tick()
  }
  expect(await scheduledRuns(test)).toHaveLength(1)
  expect(standing().lagMs).toBe(10_000)
  await finishRuns(test)
  await tick()
  expect((await told()).at(-1)).toEqual({
    dueAt: '2026-03-01T09:00:00.000Z',
    status: 'QUEUED',
    isLate: false,
    missedSlots: 1,
  })
  expect(standing()).toEqual({ heartbeatAt: test.ctx.clock(), lagMs: 0, isAlive: true })
})

it('tells when it is silent for too long, and for how long it is overdue', async () => {
  const { tick, standing } = aScheduler(test)
  expect(standing()).toEqual({ heartbeatAt: null, lagMs: 0, isAlive: false })
  await tick()
  const heartbeatAt = test.ctx.clock()
  expect(standing()).toEqual({ heartbeatAt, lagMs: 0, isAlive: true })
  at('2026-03-01T00:30:09.000Z')
  expect(standing()).toEqual({ heartbeatAt, lagMs: 0, isAlive: true })
  at('2026-03-01T00:31:30.000Z')
  expect(standing()).toEqual({ heartbeatAt, lagMs: 80_000, isAlive: false })
})

it('does not run or miss what is paused, and goes on with the next slot', async () => {
  const segment = await world.segment()
  const { dataflow: flows, destination: destinations } = serviceOf(test)
  const segments = [
    {
      segmentId: segment.id,
      schedule: { frequency: 'DAILY', startDate: '2026-01-01', startTime: '06:00' } as const,
    },
  ]
  await flows.mapSegments(test.session, { dataflowId: world.dataflow.id, segments })
  const { tick } = aScheduler(test)
  const day = async (date: string) => {
    at(`${date}T06:00:00.000Z`)
    await tick()
    await finishRuns(test)
    at(`${date}T12:00:00.000Z`)
    await tick()
    return (await scheduledRuns(test)).map(({ dueAt }) => dueAt?.toISOString().slice(0, 10))
  }
  expect(await day('2026-03-01')).toEqual(['2026-03-01'])
  await flows.disable(test.session, world.dataflow.id)
  expect(await day('2026-03-02')).toEqual(['2026-03-01'])
  expect(await day('2026-03-03')).toEqual(['2026-03-01'])
  await flows.enable(test.session, world.dataflow.id)
  await tick()
  expect(await day('2026-03-04')).toEqual(['2026-03-01', '2026-03-04'])
  const { id } = world.destination
  await destinations.update(test.session, { id, status: 'DISABLED' })
  expect(await day('2026-03-05')).toEqual(['2026-03-01', '2026-03-04'])
  await destinations.update(test.session, { id, status: 'ENABLED' })
  await tick()
  await flows.mapSegments(test.session, { dataflowId: world.dataflow.id, segments })
  expect(await day('2026-03-06')).toEqual(['2026-03-01', '2026-03-04', '2026-03-06'])
  await flows.unmapSegments(test.session, world.dataflow.id, [segment.id])
  expect(await day('2026-03-07')).toHaveLength(3)
  await flows.mapSegments(test.session, { dataflowId: world.dataflow.id, segments })
  await tick()
  expect(await day('2026-03-08')).toEqual(['2026-03-01', '2026-03-04', '2026-03-06', '2026-03-08'])
  expect((await told()).every(({ isLate, missedSlots }) => !isLate && missedSlots === 0)).toBe(true)
})

it('begins a mapping that is older than the scheduler with its next slot', async () => {
  await map(aSchedule('DAILY', { startDate: '2020-01-01' }), { slotsUntil: null })
  const { tick } = aScheduler(test)
  at('2026-03-01T07:00:00.000Z')
  await tick()
  await tick()
  expect(await scheduledRuns(test)).toEqual([])
  at('2026-03-02T06:00:00.000Z')
  await tick()
  expect(await scheduledRuns(test)).toHaveLength(1)
})

describe('beside ad-hoc runs', () => {
  const activate = async (segmentId: string) =>
    serviceOf(test).activation.activate(test.session, {
      activations: [{ dataflowId: world.dataflow.id, segmentIds: [segmentId] }],
    })
  const claim = async () => (await runLease(test.database, 'prc').claim(test.ctx.clock()))?.id

  it('waits for the ad-hoc run of the segment, and says for which', async () => {
    const { segmentId } = await map()
    const [adHoc] = activated(await activate(segmentId)).runs
    at('2026-03-01T06:00:00.000Z')
    await aScheduler(test).tick()
    const [scheduled] = await scheduledRuns(test)
    expect(await storyOf(scheduled!.id)).toEqual([
      ['QUEUED', `Waits for the end of the ad-hoc run ${adHoc!.id} of the segment.`],
    ])
    await test.database.life.register('prc')
    expect(await claim()).toBe(adHoc!.id)
    expect(await claim()).toBeUndefined()
    const lease = runLease(test.database, 'prc')
    await lease.end({ runId: adHoc!.id, fence: 1 }, { status: 'SUCCESS' }, test.ctx.clock())
    expect(await claim()).toBe(scheduled!.id)
  })

  it('refuses an ad-hoc run of the dataflow while a scheduled one goes on, and names it', async () => {
    await map()
    const { segmentId } = await map(aSchedule('DAILY', { startTime: '23:00' }))
    at('2026-03-01T06:00:00.000Z')
    await aScheduler(test).tick()
    const [scheduled] = await scheduledRuns(test)
    const refusal = { code: 'SCHEDULED_RUN_IN_PROGRESS', runId: scheduled!.id }
    expect(refused(await activate(segmentId))).toEqual([expect.objectContaining(refusal)])
    expect(await claim()).toBe(scheduled!.id)
    expect(refused(await activate(segmentId))).toEqual([expect.objectContaining(refusal)])
    const lease = runLease(test.database, 'prc')
    await lease.end({ runId: scheduled!.id, fence: 1 }, { status: 'SUCCESS' }, test.ctx.clock())
    expect(activated(await activate(segmentId)).runs).toHaveLength(1)
  })

  it('refuses it even when the scheduled run comes between the look and the write', async () => {
    const { segmentId } = await map()
    at('2026-03-01T06:00:00.000Z')
    const { batch } = test.database
    const { tick } = aScheduler(test)
    let isFirst = true
    test.database.batch = async (writes) => {
      if (isFirst) {
        isFirst = false
        await tick()
      }
      return batch(writes)
    }
    expect(codesOf(refused(await activate(segmentId)))).toEqual(['SCHEDULED_RUN_IN_PROGRESS'])
    expect(await scheduledRuns(test)).toHaveLength(1)
  })
})

describe('where it follows the evaluation of the segment', () => {
  const following = (frequency: Frequency = 'DAILY', changes: Partial<Schedule> = {}) =>
    aSchedule(frequency, { trigger: 'AFTER_SEGMENT_EVALUATION', startTime: null, ...changes })
  const evaluate = async (segmentId: string) => {
    const { segments } = test.database.tables
    const [segment] = await test.database.db.select().from(segments).where(eq(segments.id, segmentId))
    await world.evaluate(segment!)
  }
  const days = async () =>
    (await told()).map(({ dueAt, isLate }) => `${dueAt?.slice(0, 13)}${isLate ? ' late' : ''}`)

  it('runs once a day, with the first evaluation of it', async () => {
    const mapping = await map(following(), { slotsUntil: new Date('2026-03-01T00:40:00.000Z') })
    at('2026-03-01T01:00:00.000Z')
    const { tick } = aScheduler(test)
    await tick()
    expect(await days()).toEqual([])
    for (const hour of ['01', '02', '03']) {
      at(`2026-03-01T${hour}:00:00.000Z`)
      await evaluate(mapping.segmentId)
      at(`2026-03-01T${hour}:00:01.000Z`)
      await tick()
      await finishRuns(test)
    }
    expect(await days()).toEqual(['2026-03-01T01'])
    at('2026-03-02T01:00:00.000Z')
    await evaluate(mapping.segmentId)
    at('2026-03-02T09:00:00.000Z')
    await tick()
    await tick()
    expect(await days()).toEqual(['2026-03-01T01', '2026-03-02T01 late'])
  })

  it('runs ONCE once, and not outside of the schedule', async () => {
    const once = await map(following('ONCE', { startDate: '2026-03-02' }))
    const over = await map(following('DAILY', { endDate: '2026-03-02' }))
    const { tick } = aScheduler(test)
    for (const day of ['01', '02', '03', '04']) {
      at(`2026-03-${day}T01:00:00.000Z`)
      await evaluate(once.segmentId)
      await evaluate(over.segmentId)
      at(`2026-03-${day}T01:00:01.000Z`)
      await tick()
      await finishRuns(test)
    }
    const runs = await scheduledRuns(test)
    expect(runs.map(({ mappingId, dueAt }) => [mappingId, dueAt?.getUTCDate()])).toEqual([
      [over.id, 1],
      [once.id, 2],
    ])
  })
})

describe('two schedulers on one database, each with a connection of its own', () => {
  it('run each slot once', async () => {
    const other = openDatabase(test.url)
    const schedulers = [aScheduler(test), aScheduler(test, other)]
    for (let index = 0; index < 12; index += 1) await map(aSchedule('EVERY_3_HOURS', { startTime: '00:00' }))
    for (const hour of ['03', '06', '09', '12']) {
      at(`2026-03-01T${hour}:00:00.000Z`)
      await Promise.all(schedulers.map(({ tick }) => tick()))
      await finishRuns(test)
    }
    const runs = await scheduledRuns(test)
    expect(runs).toHaveLength(48)
    expect(
      runs.every(({ missedSlots, isLate, status }) => missedSlots === 0 && !isLate && status === 'SUCCESS'),
    ).toBe(true)
    await other.close()
  })
})
