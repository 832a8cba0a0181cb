import { eq } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Unavailable } from '../../src/domain/errors.ts'
import type { Rule } from '../../src/domain/model.ts'
import { segmentService } from '../../src/services/segment.ts'
import type { Database } from '../../src/storage/database.ts'
import { segmentationLease } from '../../src/storage/segmentation-lease.ts'
import { snapshotStore } from '../../src/storage/snapshot.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { addProfiles, ended, evaluate, jobById, latest, membersOf, startWorker } from '../support/segments.ts'

let test: TestDatabase
beforeEach(async () => {
  test = await testDatabase()
})
afterEach(() => test.dispose())

const above = (value: number): Rule => ({ attribute: { path: 'n', operator: 'GREATER_THAN', value } })
const snapshotPage = async ({ database, sandboxId }: TestDatabase, segmentId: string) => {
  const options = { sandboxId, args: {}, maxPageSize: 100 }
  return (await snapshotStore(database).pagesBySegment([segmentId], options)).get(segmentId)!
}
const create = (name: string, rule: Rule) => segmentService(test.ctx).create(test.session, { name, rule })
const numbers = (count: number, n = (index: number) => index + 1) =>
  Array.from({ length: count }, (_, index) => ({ n: n(index) }))

describe('a segmentation job', () => {
  it('makes a snapshot per segment, and counts who entered and who left', async () => {
    await addProfiles(test, numbers(10))
    const segment = await create('big', above(6))
    expect(await latest(test, segment.id)).toBeNull()
    const job = await evaluate(test)
    expect(job).toMatchObject({ status: 'SUCCEEDED', total: 10, received: 10, exported: 4, error: null })
    expect(await latest(test, segment.id)).toMatchObject({
      profileCount: 4,
      entered: 4,
      exited: 0,
      keys: ['7', '8', '9', '10'],
    })
    await addProfiles(
      test,
      numbers(10, (index) => 10 - index),
    )
    await evaluate(test)
    expect(await latest(test, segment.id)).toMatchObject({
      profileCount: 4,
      entered: 4,
      exited: 4,
      keys: ['1', '2', '3', '4'],
    })
    await addProfiles(test, [{ n: 0 }])
    await evaluate(test, [segment.id])
    expect(await latest(test, segment.id)).toMatchObject({ profileCount: 3, entered: 0, exited: 1 })
  })

  it('counts a profile that was deleted as one that left', async () => {
    await addProfiles(test, numbers(3))
    const segment = await create('all', above(0))
    await evaluate(test)
    const { profiles } = test.database.tables
    await test.database.batch([test.database.db.delete(profiles).where(eq(profiles.key, '3'))])
    await evaluate(test)
    expect(await latest(test, segment.id)).toMatchObject({ profileCount: 2, entered: 0, exited: 1 })
  })

  it('sees the new members of a segment that it evaluates itself, and the latest of any other', async () => {
    await addProfiles(test, numbers(4))
    const base = await create('base', above(2))
    const rest = await create('rest', { not: { segment: base.id } })
    await evaluate(test, [rest.id])
    expect((await latest(test, rest.id))?.keys).toEqual(['1', '2', '3', '4'])
    const job = await evaluate(test, [rest.id, base.id])
    expect(job.segmentIds).toEqual([base.id, rest.id])
    expect((await latest(test, rest.id))?.keys).toEqual(['1', '2'])
  })

  it('looks at the profiles of its own sandbox only, however many namespaces that has', async () => {
    const other = { ...test, sandboxId: 'sbx_other' }
    await addProfiles(other, numbers(5))
    await addProfiles(test, numbers(3))
    const { namespaces } = test.database.tables
    await test.database.batch([
      test.database.db.insert(namespaces).values({ sandboxId: test.sandboxId, name: 'email' }),
    ])
    const [email] = await test.database.db.select().from(namespaces).where(eq(namespaces.name, 'email'))
    await test.database.upsertProfiles(email!.id, [{ key: 'x@y', patch: '{"n":1}' }])
    const segment = await create('all', above(0))
    expect(await evaluate(test)).toMatchObject({ total: 4, exported: 4 })
    expect((await latest(test, segment.id))?.keys).toEqual(['1', '2', '3', 'x@y'])
  })

  it('succeeds without profiles', async () => {
    const segment = await create('none', above(0))
    expect(await evaluate(test)).toMatchObject({ status: 'SUCCEEDED', total: 0 })
    expect(await latest(test, segment.id)).toMatchObject({ profileCount: 0 })
  })

  it('leaves out a segment that was deleted while the job waited', async () => {
    const service = segmentService(test.ctx)
    const [gone, kept] = [await create('gone', above(0)), await create('kept', above(0))]
    const job = await service.evaluate(test.session, null)
    await service.delete(test.session, gone.id)
    const worker = startWorker(test)
    expect(await ended(test, job.id)).toMatchObject({ status: 'SUCCEEDED' })
    await worker.stop()
    expect(await latest(test, gone.id)).toBeNull()
    expect(await latest(test, kept.id)).not.toBeNull()
  })
})

describe('a segment that fails', () => {
  /** A rule that no database can make sense of, as one would be that a later version has stored. */
  const breakRule = async (id: string) => {
    const { segments } = test.database.tables
    const rule = { attribute: { path: 'n', operator: 'LIKE' } } as unknown as Rule
    await test.database.batch([test.database.db.update(segments).set({ rule }).where(eq(segments.id, id))])
  }

  it('is named with its error, and fails no other', async () => {
    await addProfiles(test, numbers(3))
    const [first, bad, last] = [
      await create('first', above(0)),
      await create('bad', above(0)),
      await create('last', above(1)),
    ]
    await breakRule(bad.id)
    const job = await evaluate(test)
    expect(job).toMatchObject({ status: 'FAILED', error: { code: 'SEGMENTS_FAILED' }, total: 9, received: 9 })
    expect(job.error?.message).toContain('1 of 3 segments')
    expect(job.error?.message).toContain('"bad"')
    expect(job.failures).toMatchObject([{ segmentId: bad.id, code: 'EVALUATION_FAILED', retryable: false }])
    expect(JSON.stringify([job.error, job.failures])).not.toMatch(/select|sqlite/i)
    expect((await latest(test, first.id))?.keys).toEqual(['1', '2', '3'])
    expect((await latest(test, last.id))?.keys).toEqual(['2', '3'])
    expect(await latest(test, bad.id)).toBeNull()
    expect((await snapshotPage(test, bad.id)).rows).toEqual([])
    expect(await membersOf(test, [1, 2, 3])).toBe(5)
  })

  it('keeps its last snapshot, as do those that name it, however far away; they catch up when it is mended', async () => {
    await addProfiles(test, numbers(4))
    const base = await create('base', above(2))
    const rest = await create('rest', { not: { segment: base.id } })
    const ofRest = await create('of rest', { all: [{ segment: rest.id }, above(1)] })
    const other = await create('other', above(0))
    expect(await evaluate(test)).toMatchObject({ status: 'SUCCEEDED', error: null, failures: [] })
    const before = await Promise.all([base, rest, ofRest].map(({ id }) => latest(test, id)))
    await addProfiles(test, numbers(5))
    await breakRule(base.id)
    const job = await evaluate(test)
    expect(job.failures?.map(({ segmentId, code }) => [segmentId, code])).toEqual([
      [base.id, 'EVALUATION_FAILED'],
      [rest.id, 'DEPENDENCY_FAILED'],
      [ofRest.id, 'DEPENDENCY_FAILED'],
    ])
    expect(job.failures?.[2]?.message).toContain('"rest"')
    expect(await Promise.all([base, rest, ofRest].map(({ id }) => latest(test, id)))).toEqual(before)
    expect((await latest(test, other.id))?.profileCount).toBe(5)
    await segmentService(test.ctx).update(test.session, { id: base.id, rule: above(4) })
    expect(await evaluate(test)).toMatchObject({ status: 'SUCCEEDED', error: null, failures: [] })
    expect((await latest(test, ofRest.id))?.keys).toEqual(['2', '3', '4'])
  })

  it('is none when the database fails for a while: the job is tried again', async () => {
    await addProfiles(test, numbers(3))
    const segment = await create('all', above(0))
    const job = await segmentService(test.ctx).evaluate(test.session, null)
    let failures = 2
    const database: Database = {
      ...test.database,
      batch: (writes) => {
        const isOfMembers = writes.some(
          (write) => 'toSQL' in write && /into "members"/.test(write.toSQL().sql),
        )
        if (!isOfMembers || failures-- <= 0) return test.database.batch(writes)
        return Promise.reject(new Unavailable('The database is busy. Try again in a few seconds.'))
      },
    }
    const waits: number[] = []
    const timer = { now: () => 0, sleep: async (ms: number) => void waits.push(ms) }
    const worker = startWorker({ ...test, database }, 'prc_test', timer)
    expect(await ended(test, job.id)).toMatchObject({ status: 'SUCCEEDED', attempt: 3, exported: 3 })
    await worker.stop()
    expect(waits).toEqual([2_000, 4_000])
    expect((await latest(test, segment.id))?.profileCount).toBe(3)
  })
})

describe('membership versions', () => {
  it('keep the latest two of a segment and what an active run exports; snapshots stay as history', async () => {
    await addProfiles(test, numbers(3))
    const segment = await create('all', above(0))
    const snapshotIds: string[] = []
    for (let i = 0; i < 2; i++) {
      await evaluate(test)
      const [row] = await test.database.db.select().from(test.database.tables.segments)
      snapshotIds.push(row!.snapshotId!)
    }
    const { runs } = test.database.tables
    const ids = { dataflowId: 'flow_1', destinationId: 'dst_1', mappingId: 'map_1', segmentId: segment.id }
    const run = { id: 'run_1', sandboxId: test.sandboxId, ...ids, snapshotId: snapshotIds[0]! }
    const plan = {} as never
    await test.database.batch([
      test.database.db.insert(runs).values({
        ...run,
        plan,
        trigger: 'AD_HOC',
        mode: 'FULL',
        status: 'PROCESSING',
        phase: 'READING',
        createdAt: new Date(),
      }),
    ])
    await evaluate(test)
    await evaluate(test)
    expect([await membersOf(test, [1]), await membersOf(test, [2]), await membersOf(test, [3, 4])]).toEqual([
      3, 0, 6,
    ])
    await test.database.batch([test.database.db.update(runs).set({ status: 'SUCCESS' })])
    await evaluate(test)
    expect([await membersOf(test, [1]), await membersOf(test, [3]), await membersOf(test, [4, 5])]).toEqual([
      0, 0, 6,
    ])
    const page = await snapshotPage(test, segment.id)
    expect(page.rows.map(({ version }) => version)).toEqual([5, 4, 3, 2, 1])
  })
})

describe('a worker that dies', () => {
  /** Claims the job as a process that then writes half of a segment and is never heard of again. */
  async function dieHalfway(processId: string) {
    const { database, ctx } = test
    const lease = segmentationLease(database, processId)
    const job = (await lease.claim(ctx.clock()))!
    const claim = { jobId: job.id, fence: job.fence }
    const snapshots = job.segmentIds.map((segmentId) => ({
      id: ctx.newId('snapshot'),
      segmentId,
      sandboxId: test.sandboxId,
    }))
    const [reserved] = await lease.reserve({ claim, at: ctx.clock(), total: 3, snapshots })
    await database.batch([
      database.db.insert(database.tables.members).values([{ version: reserved!.version, profileId: 1 }]),
    ])
    return { lease, claim, reserved: reserved! }
  }

  it('is replaced at once when its process is gone, and its half is thrown away', async () => {
    await addProfiles(test, numbers(3))
    const segment = await create('all', above(0))
    const job = await segmentService(test.ctx).evaluate(test.session, null)
    const { lease, claim, reserved } = await dieHalfway('prc_dead')
    expect(await latest(test, segment.id)).toBeNull()
    const worker = startWorker(test, 'prc_next')
    expect(await ended(test, job.id)).toMatchObject({ status: 'SUCCEEDED', attempt: 2, exported: 3 })
    await vi.waitFor(async () => expect(await membersOf(test, [reserved.version])).toBe(0), {
      timeout: 20_000,
    })
    await worker.stop()
    const now = await latest(test, segment.id)
    expect(now).toMatchObject({ profileCount: 3, entered: 3, keys: ['1', '2', '3'] })
    expect(now!.version).toBeGreaterThan(reserved.version)
    // It was only frozen, and comes back: nothing that it writes is taken.
    await expect(
      lease.finish(
        claim,
        { finished: [{ ...reserved, profileCount: 1, entered: 1, exited: 0 }], failures: [], error: null },
        new Date(),
      ),
    ).rejects.toThrow('found another state')
    expect(await latest(test, segment.id)).toEqual(now)
  })

  it('is waited for as long as it lives and its lease holds', async () => {
    await addProfiles(test, numbers(3))
    await create('all', above(0))
    const job = await segmentService(test.ctx).evaluate(test.session, null)
    await test.database.life.register('prc_alive')
    const start = new Date()
    test.setTime(start)
    await dieHalfway('prc_alive')
    const lease = segmentationLease(test.database, 'prc_next')
    expect(await lease.claim(start)).toBeNull()
    expect(await lease.claim(new Date(start.getTime() + 30_001))).toMatchObject({ id: job.id, attempt: 2 })
  })

  it('is not replaced for ever', async () => {
    await create('all', above(0))
    const job = await segmentService(test.ctx).evaluate(test.session, null)
    const start = Date.now()
    // Each is silent for longer than its lease.
    for (let attempt = 0; attempt < 5; attempt++) {
      const now = new Date(start + attempt * 31_000)
      expect(await segmentationLease(test.database, `prc_${attempt}`).claim(now)).not.toBeNull()
    }
    test.setTime(new Date(start + 5 * 31_000))
    const worker = startWorker(test)
    expect(await ended(test, job.id)).toMatchObject({
      status: 'FAILED',
      error: { code: 'INTERRUPTED', retryable: true },
    })
    await worker.stop()
  })

  it('hands its job back when it is stopped in order', async () => {
    await addProfiles(test, numbers(20_000))
    for (let i = 0; i < 5; i++) await create(`s${i}`, above(i))
    const job = await segmentService(test.ctx).evaluate(test.session, null)
    const worker = startWorker(test, 'prc_1')
    await vi.waitFor(async () => expect((await jobById(test, job.id)).exported).toBeGreaterThan(0), {
      interval: 1,
      timeout: 20_000,
    })
    await worker.stop()
    expect(await jobById(test, job.id)).toMatchObject({ status: 'QUEUED', attempt: 0, leaseOwner: null })
    const next = startWorker(test, 'prc_2')
    expect(await ended(test, job.id)).toMatchObject({
      status: 'SUCCEEDED',
      attempt: 1,
      exported: 5 * 20_000 - 10,
    })
    await next.stop()
  })
})
