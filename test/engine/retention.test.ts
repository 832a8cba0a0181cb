import { eq } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Retention } from '../../src/domain/ports.ts'
import { forgetter, retentionWorker } from '../../src/engine/retention.ts'
import { activationService } from '../../src/services/activation.ts'
import { auditService } from '../../src/services/audit.ts'
import { auditTrail, DONE } from '../../src/storage/audit-trail.ts'
import { newId } from '../../src/storage/ids.ts'
import type { NewRow } from '../../src/storage/tables.ts'
import { aWorld } from '../support/activation.ts'
import { silent, type TestDatabase, testDatabase } from '../support/database.ts'
import { aQueuedRun, aSnapshot } from '../support/export-scene.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const NOW = new Date('2026-11-23T12:00:00Z')
const daysAgo = (days: number) => new Date(NOW.getTime() - days * DAY_MS)
const KEEP: Retention = {
  runEventsDays: null,
  rejectionsDays: null,
  runsDays: null,
  idempotencyKeysDays: 36_500,
  snapshotsDays: null,
  auditDays: null,
}

let test: TestDatabase
let now = NOW
beforeEach(async () => {
  test = await testDatabase()
  now = NOW
  test.setTime(NOW)
})
afterEach(() => test.dispose())

const clock = () => now
const parts = (retention: Partial<Retention>) => {
  const { trail, database } = auditTrail(test.database, clock)
  return { database, trail, retention: { ...KEEP, ...retention }, clock, log: silent }
}
const forget = async (retention: Partial<Retention>) =>
  (await forgetter(parts(retention))({ signal: new AbortController().signal })).forgotten

const SNAPSHOT = { id: 'snp_1', version: 1, count: 3 }
/** A run with ten events and three rejections. */
async function aRun(days: number, changes: Partial<NewRow<'runs'>> = {}) {
  const { db, tables } = test.database
  const { id } = await aQueuedRun(test, SNAPSHOT)
  const at = daysAgo(days)
  const counters = { received: 0, exported: 0, excluded: 0, failed: 0, bytes: 0, files: 0, total: null }
  const event = (seq: number) => ({
    ...counters,
    runId: id,
    seq,
    type: seq === 10 ? ('SUCCEEDED' as const) : ('PROGRESS' as const),
    status: 'SUCCESS' as const,
    phase: 'DONE' as const,
    message: null,
    at,
  })
  await test.database.batch([
    db
      .update(tables.runs)
      .set({ status: 'SUCCESS', phase: 'DONE', createdAt: at, completedAt: at, eventSeq: 10, ...changes })
      .where(eq(tables.runs.id, id)),
    db.insert(tables.runEvents).values([2, 3, 4, 5, 6, 7, 8, 9, 10].map(event)),
    db
      .insert(tables.rejections)
      .values([1, 2, 3].map((profileId) => ({ runId: id, profileId, reason: 'DUPLICATE' as const }))),
  ])
  return id
}
const eventsOf = async (runId: string) => {
  const { runEvents } = test.database.tables
  const rows = await test.database.db
    .select({ seq: runEvents.seq })
    .from(runEvents)
    .where(eq(runEvents.runId, runId))
  return rows.map(({ seq }) => seq)
}
const idsIn = async (name: 'runs' | 'activations' | 'snapshots') =>
  (await test.database.db.select({ id: test.database.tables[name].id }).from(test.database.tables[name])).map(
    ({ id }) => id,
  )

describe('the clean-up', () => {
  it('takes the story of runs that ended long ago, but how they ended, and nothing of others', async () => {
    const [old, recent] = [await aRun(91), await aRun(89)]
    const running = await aRun(200, { status: 'PROCESSING', completedAt: null })
    expect(await forget({ runEventsDays: 90 })).toMatchObject({ runEvents: 9, rejections: 0, runs: 0 })
    expect(await eventsOf(old)).toEqual([10])
    expect(await eventsOf(recent)).toHaveLength(10)
    expect(await eventsOf(running)).toHaveLength(10)
  })

  it('takes rejections, but not of a run that another one is going on from', async () => {
    const [old, repeated] = [await aRun(40), await aRun(41)]
    const retry = await aRun(0, { status: 'QUEUED', completedAt: null, retryOf: repeated })
    expect(await forget({ rejectionsDays: 30 })).toMatchObject({ rejections: 3, runEvents: 0 })
    const rows = await test.database.db.select().from(test.database.tables.rejections)
    expect(new Set(rows.map(({ runId }) => runId))).toEqual(new Set([repeated, retry]))
    expect(old).toBeDefined()
  })

  it('takes runs only when told, and leaves of each mapping the last one and the last success', async () => {
    const mappingId = newId('segmentMapping')
    const activationId = newId('activation')
    const { db, tables } = test.database
    const activation = { requestedBy: 'x', tokenId: 't', inputHash: 'h', createdAt: daysAgo(50) }
    await test.database.batch([
      db.insert(tables.activations).values({ id: activationId, sandboxId: test.sandboxId, ...activation }),
    ])
    const first = await aRun(50, { mappingId, activationId })
    const success = await aRun(40, { mappingId })
    const failed = await aRun(39, { mappingId, status: 'FAILED' })
    const last = await aRun(38, { mappingId, status: 'FAILED' })
    const other = await aRun(37)
    expect(await forget({})).toMatchObject({ runs: 0 })
    expect(await forget({ runsDays: 30 })).toMatchObject({ runs: 2 })
    expect((await idsIn('runs')).sort()).toEqual([success, last, other].sort())
    expect(await idsIn('activations')).toEqual([])
    expect(await eventsOf(first)).toEqual([])
    expect(await eventsOf(failed)).toEqual([])
  })

  it('lets idempotency keys serve again when they have expired, and not before', async () => {
    const { dataflow, segmentIds } = await aWorld(test)
    const service = activationService(test.ctx, 7)
    const input = { activations: [{ dataflowId: dataflow.id, segmentIds }], idempotencyKey: 'k' }
    const first = await service.activate(test.session, input)
    expect(first).toHaveProperty('activation')
    now = new Date(NOW.getTime() + 6 * DAY_MS)
    test.setTime(now)
    expect(await forget({ idempotencyKeysDays: 7 })).toMatchObject({ idempotencyKeys: 0 })
    expect(await service.activate(test.session, input)).toEqual(first)
    now = new Date(NOW.getTime() + 8 * DAY_MS)
    test.setTime(now)
    expect(await forget({ idempotencyKeysDays: 7 })).toMatchObject({ idempotencyKeys: 1 })
    expect(await forget({ idempotencyKeysDays: 7 })).toMatchObject({ idempotencyKeys: 0 })
  })

  it('takes old snapshots but the latest two, what a run has sent, and what the next increment starts from', async () => {
    const world = await aWorld(test)
    const segmentId = world.segments[0]?.id ?? ''
    const { db, tables } = test.database
    const ids: string[] = []
    for (let index = 0; index < 6; index += 1) {
      const snapshot = await aSnapshot(test, index === 3 ? [{ email: 'a@example.org' }] : [])
      ids.push(snapshot.id)
      const row = {
        ...snapshot,
        sandboxId: test.sandboxId,
        segmentId,
        jobId: `j${index}`,
        entered: 0,
        exited: 0,
      }
      const evaluatedAt = daysAgo(500 - index)
      await test.database.batch([
        db.insert(tables.snapshots).values({ ...row, version: 1_000 + index, evaluatedAt, profileCount: 0 }),
      ])
    }
    await aRun(400, { snapshotId: ids[0] ?? '' })
    await db.update(tables.segmentMappings).set({ sentSnapshotId: ids[1] ?? '' })
    // The world's own snapshot is the latest of the segment.
    expect(await forget({ snapshotsDays: 365 })).toMatchObject({ snapshots: 3 })
    const left = await idsIn('snapshots')
    expect(ids.filter((id) => left.includes(id))).toEqual([ids[0], ids[1], ids[5]])
  })

  it('cuts the audit log by whole days, says so in it, and the rest can be checked', async () => {
    const deed = parts({ auditDays: 10 })
    const service = auditService(deed)
    for (let day = 0; day < 20; day += 1) {
      now = new Date(NOW.getTime() + day * DAY_MS)
      const actor = { session: { ...test.session }, operation: `day ${day}`, requestId: 'r' }
      await deed.trail.append({ ...DONE, actor, change: null })
    }
    const forgetting = forgetter(deed)
    const { forgotten } = await forgetting({ signal: new AbortController().signal })
    expect(forgotten.auditLines).toBe(9)
    expect(await service.verify()).toMatchObject({ lines: 12, broken: null, oldest: { seq: 9 } })
    await forgetting({ signal: new AbortController().signal })
    expect(await service.verify()).toMatchObject({ lines: 12, broken: null })
  })

  it('goes on after its process was stopped in the middle, and finds nothing twice', async () => {
    const runs = await Promise.all(Array.from({ length: 5 }, () => aRun(100)))
    const worker = retentionWorker(parts({ runEventsDays: 90 }))
    worker.start()
    await worker.stop()
    const left = async () => (await Promise.all(runs.map(eventsOf))).flat().length
    const old = (await left()) - runs.length
    expect(await forget({ runEventsDays: 90 })).toMatchObject({ runEvents: old })
    expect(await left()).toBe(runs.length)
    expect(await forget({ runEventsDays: 90 })).toMatchObject({ runEvents: 0 })
  })
})
