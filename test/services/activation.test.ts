import { eq } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Driver } from '../../src/destinations/driver.ts'
import { driverRegistry } from '../../src/destinations/registry.ts'
import { AccessError } from '../../src/domain/errors.ts'
import { type ActivateInput, activationService } from '../../src/services/activation.ts'
import type { ServiceContext } from '../../src/services/context.ts'
import type { Row } from '../../src/storage/tables.ts'
import { activated, aWorld, codesOf, refused, worldOf } from '../support/activation.ts'
import { addSandbox, adminSession, type TestDatabase, testDatabase } from '../support/database.ts'
import { toLoopback } from '../support/outbound.ts'

const MINUTE = 60_000
const START = new Date('2026-11-22T09:30:00.000Z')
let test: TestDatabase
let service: ReturnType<typeof activationService>
beforeEach(async () => {
  test = await testDatabase()
  test.setTime(START)
  service = activationService(test.ctx)
})
afterEach(() => test.dispose())

const later = (ms: number) => new Date(START.getTime() + ms)
const ask = (dataflow: { id: string }, segmentIds: string[], idempotencyKey?: string): ActivateInput => ({
  activations: [{ dataflowId: dataflow.id, segmentIds }],
  ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
})

describe('activate', () => {
  it('queues one run per segment, pinned to the latest snapshot, with its first event', async () => {
    const { dataflow, destination, segments, segmentIds } = await aWorld(test, { segments: 3 })
    const { activation, runs } = activated(await service.activate(test.session, ask(dataflow, segmentIds)))
    expect(activation).toMatchObject({ requestedBy: 'test', idempotencyKey: null, createdAt: START })
    expect(runs.map((run) => run.segmentId)).toEqual(segmentIds)
    expect(runs[0]).toMatchObject({
      activationId: activation.id,
      trigger: 'AD_HOC',
      mode: 'FULL',
      status: 'QUEUED',
      phase: 'WAITING',
      total: 3,
      snapshotId: segments[0]?.snapshotId,
      createdAt: START,
      plan: {
        destination: { id: destination.id, settings: { path: 'out' } },
        fields: dataflow.fields,
        deduplicateBy: ['email'],
        consentAttribute: 'consent',
        fileFormat: dataflow.fileFormat,
        fileName: `Files_segment${segmentIds[0]}_20261122093000`,
        isStaticName: false,
      },
    })
    const { runEvents } = test.database.tables
    const events = await test.database.db.select().from(runEvents)
    expect(events.map(({ runId, seq, type }) => [runId, seq, type])).toEqual(
      expect.arrayContaining(runs.map((run) => [run.id, 1, 'QUEUED'])),
    )
  })

  it('is all or nothing: one segment that is not mapped stops the others', async () => {
    const { dataflow, segmentIds, segment, countRuns } = await aWorld(test, { segments: 2 })
    const stray = await segment({ name: 'Stray' })
    const errors = refused(await service.activate(test.session, ask(dataflow, [...segmentIds, stray.id])))
    expect(errors).toEqual([
      {
        code: 'SEGMENT_NOT_MAPPED',
        message: 'Segment Stray is not part of this dataflow or out of schedule range!',
        path: ['input', 'activations', '0', 'segmentIds', '2'],
        segmentId: stray.id,
        dataflowId: dataflow.id,
      },
    ])
    expect(await countRuns()).toBe(0)
  })

  it('takes 80 segments and refuses 81, still naming what else is wrong', async () => {
    const { dataflow, segmentIds, segment, map } = await aWorld(test, { segments: 80 })
    const further = await segment()
    await map(dataflow, further, { adHocAllowedFrom: later(MINUTE) })
    const errors = refused(await service.activate(test.session, ask(dataflow, [...segmentIds, further.id])))
    expect(codesOf(errors)).toEqual(['TOO_MANY_SEGMENTS', 'TOO_SOON'])
    expect(errors[0]).toMatchObject({ limit: 80, requested: 81 })
    expect(
      activated(await service.activate(test.session, ask(dataflow, [...segmentIds, ...segmentIds]))).runs,
    ).toHaveLength(80)
  })

  it('refuses absurd inputs without asking the database', async () => {
    const counted = counting(test.ctx)
    const ids = Array.from({ length: 20_000 }, (_, index) => `seg_${index}`)
    const huge = activationService(counted.ctx).activate(test.session, ask({ id: 'flow_1' }, ids))
    expect(codesOf(refused(await huge))).toEqual(['TOO_MANY_SEGMENTS'])
    expect(counted.counts).toEqual({ reads: 0, batches: 0 })
  })

  it('asks the database as often for 80 segments as for one', async () => {
    const { dataflow, segmentIds } = await aWorld(test, { segments: 80 })
    const counted = counting(test.ctx)
    activated(await activationService(counted.ctx).activate(test.session, ask(dataflow, segmentIds, 'key')))
    // The key, five for the facts, the answer; and one batch.
    expect(counted.counts).toEqual({ reads: 7, batches: 1 })
  })

  it('waits until 20 minutes after the mapping', async () => {
    const { dataflow, segment, map } = await aWorld(test)
    const fresh = await segment()
    const allowedFrom = later(20 * MINUTE)
    await map(dataflow, fresh, { activatedAt: START, adHocAllowedFrom: allowedFrom })
    test.setTime(later(20 * MINUTE - 1))
    expect(refused(await service.activate(test.session, ask(dataflow, [fresh.id])))).toMatchObject([
      { code: 'TOO_SOON', allowedFrom },
    ])
    test.setTime(allowedFrom)
    activated(await service.activate(test.session, ask(dataflow, [fresh.id])))
  })

  it('takes the end date as exclusive', async () => {
    const { dataflow, segment, map } = await aWorld(test)
    const ending = await segment()
    const { schedule } = await map(dataflow, ending)
    const mapping = test.database.tables.segmentMappings
    await test.database.db
      .update(mapping)
      .set({ schedule: { ...schedule, endDate: '2026-11-23' } })
      .where(eq(mapping.segmentId, ending.id))
    test.setTime(new Date('2026-11-23T00:00:00.000Z'))
    const late = refused(await service.activate(test.session, ask(dataflow, [ending.id])))
    expect(codesOf(late)).toEqual(['OUTSIDE_SCHEDULE'])
    test.setTime(new Date('2026-11-22T23:59:59.999Z'))
    activated(await service.activate(test.session, ask(dataflow, [ending.id])))
  })

  it('speaks of other sandboxes as of what does not exist', async () => {
    const other = await addSandbox(test.database, 'other')
    const theirs = await aWorld(test, { sandboxId: other.id })
    const errors = refused(await service.activate(test.session, ask(theirs.dataflow, theirs.segmentIds)))
    expect(errors.map(({ code, message }) => [code, message])).toEqual([
      ['NOT_FOUND', `There is no dataflow with id "${theirs.dataflow.id}".`],
      ['NOT_FOUND', `There is no segment with id "${theirs.segmentIds[0]}".`],
    ])
    activated(await service.activate(adminSession(other), ask(theirs.dataflow, theirs.segmentIds)))
  })

  it('hides the dataflows of destinations that a token is not bound to', async () => {
    const { dataflow, segmentIds } = await aWorld(test)
    const bound = { ...test.session, destinationIds: ['dst_other'] }
    expect(codesOf(refused(await service.activate(bound, ask(dataflow, segmentIds))))).toEqual(['NOT_FOUND'])
  })

  it('answers hostile ids as unknown ones', async () => {
    const { dataflow } = await aWorld(test)
    const hostile = ['\u0000', '\ud800', "' or 1=1 --", '__proto__', 'x'.repeat(100_000), '']
    const errors = refused(await service.activate(test.session, ask(dataflow, hostile)))
    expect(new Set(codesOf(errors))).toEqual(new Set(['NOT_FOUND']))
    expect(errors).toHaveLength(hostile.length)
  })

  it('gives the later of two files with one name its run id', async () => {
    const { destination, segment, map, dataflow } = await aWorld(test)
    const [one, two] = [await segment(), await segment()]
    const filenameTemplate = 'all_%DATETIME(YYYY)%'
    await map(dataflow, one, { filenameTemplate })
    await map(dataflow, two, { filenameTemplate })
    const { runs } = activated(await service.activate(test.session, ask(dataflow, [one.id, two.id])))
    expect(runs.map(({ plan }) => plan.fileName)).toEqual(['all_2026', `all_2026_${runs[1]?.id}`])
    expect(runs[1]?.plan.destination.id).toBe(destination.id)
  })

  it('runs on an account that is connected, agreed to, and shared with the caller', async () => {
    const sftp: Driver = {
      type: 'SFTP',
      title: 'SFTP',
      delivery: 'FILE',
      allowsAdHoc: true,
      account: { settings: z.strictObject({}), secrets: z.strictObject({}), verify: async () => ({}) },
      settings: z.record(z.string(), z.unknown()),
      fields: [],
    }
    const drivers = driverRegistry({ exportRoot: test.exportRoot, outbound: toLoopback }, [sftp])
    const onSftp = activationService({ ...test.ctx, drivers })
    const world = worldOf(test, test.sandboxId)
    const account = await world.account({ type: 'SFTP', status: 'FAILED', consentAt: null })
    const destination = await world.destination({ type: 'SFTP', accountId: account.id })
    const dataflow = await world.dataflow(destination)
    const segment = await world.segment()
    await world.map(dataflow, segment)
    const input = ask(dataflow, [segment.id])
    const change = (changes: Partial<Row<'destinationAccounts'>>) =>
      test.database.db.update(test.database.tables.destinationAccounts).set(changes)

    const errors = refused(await onSftp.activate(test.session, input))
    expect(codesOf(errors)).toEqual(['ACCOUNT_NOT_CONNECTED', 'CONSENT_MISSING'])
    await change({ status: 'CONNECTED', consentAt: START })
    const operator = { ...test.session, roles: ['OPERATOR' as const] }
    await expect(onSftp.activate(operator, input)).rejects.toThrow(AccessError)
    await change({ sharedWith: ['OPERATOR'] })
    const { runs } = activated(await onSftp.activate(operator, input))
    expect(runs[0]?.plan.accountId).toBe(account.id)
  })

  it('is refused to viewers', async () => {
    const viewer = { ...test.session, roles: ['VIEWER' as const] }
    await expect(service.activate(viewer, ask({ id: 'flow_1' }, []))).rejects.toThrow(AccessError)
    await expect(service.check(viewer, ask({ id: 'flow_1' }, []))).rejects.toThrow(AccessError)
  })
})

describe('check', () => {
  it('forecasts each file and stores nothing', async () => {
    const { dataflow, segments, segmentIds, countRuns } = await aWorld(test, { segments: 2 })
    const { errors, forecasts } = await service.check(test.session, ask(dataflow, segmentIds, 'key'))
    expect(errors).toEqual([])
    expect(forecasts).toEqual(
      segments.map(({ id: segmentId }) => ({
        segmentId,
        dataflowId: dataflow.id,
        profileCount: 3,
        evaluatedAt: expect.any(Date),
      })),
    )
    expect(await countRuns()).toBe(0)
  })

  it('gives the verdicts that activate would give', async () => {
    const { dataflow, segmentIds, segment } = await aWorld(test)
    const stray = await segment({ status: 'DRAFT' })
    activated(await service.activate(test.session, ask(dataflow, segmentIds, 'key')))
    const input = ask(dataflow, [...segmentIds, stray.id, 'seg_unknown'])
    const { errors } = await service.check(test.session, input)
    expect(errors).toEqual(refused(await service.activate(test.session, input)))
    expect(codesOf(errors).sort()).toEqual([
      'INVALID_INPUT',
      'NOT_FOUND',
      'RUN_IN_PROGRESS',
      'SEGMENT_NOT_MAPPED',
    ])
    const reused = await service.check(test.session, { ...input, idempotencyKey: 'key' })
    expect(codesOf(reused.errors)).toContain('IDEMPOTENCY_CONFLICT')
    const repeated = await service.check(test.session, ask(dataflow, segmentIds, 'key'))
    expect(repeated.errors).toEqual([])
  })
})

describe('byIds', () => {
  it('finds activations of the own sandbox only', async () => {
    const { dataflow, segmentIds } = await aWorld(test)
    const { activation } = activated(await service.activate(test.session, ask(dataflow, segmentIds)))
    expect(await service.byIds(test.session, [activation.id, 'act_none'])).toEqual([activation])
    const other = adminSession(await addSandbox(test.database, 'other'))
    expect(await service.byIds(other, [activation.id])).toEqual([])
  })
})

/** A context whose executed reads and batches are counted. */
function counting(ctx: ServiceContext) {
  const counts = { reads: 0, batches: 0 }
  const { database } = ctx
  const chained = ['select', 'from', 'innerJoin', 'leftJoin', 'where', 'orderBy', 'limit']
  /** Follows a query through its builders; a query is executed when it is awaited. */
  const watch = <T extends object>(builder: T): T =>
    new Proxy(builder, {
      get(target, name) {
        const value = Reflect.get(target, name, target)
        if (name === 'then') counts.reads += 1
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          const result = value.apply(target, args)
          return chained.includes(String(name)) ? watch(result) : result
        }
      },
    })
  const batch: typeof database.batch = (writes) => {
    counts.batches += 1
    return database.batch(writes)
  }
  return { counts, ctx: { ...ctx, database: { ...database, db: watch(database.db), batch } } }
}
