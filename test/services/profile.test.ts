import { eq } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Session } from '../../src/domain/access.ts'
import { AccessError, Refusal } from '../../src/domain/errors.ts'
import { profileService } from '../../src/services/profile.ts'
import type { ProfileAttribute } from '../../src/storage/profile.ts'
import type { NewRow } from '../../src/storage/tables.ts'
import { addSandbox, adminSession, type TestDatabase, testDatabase } from '../support/database.ts'
import { profilesOf } from '../support/profiles.ts'

let test: TestDatabase
let service: ReturnType<typeof profileService>
beforeEach(async () => {
  test = await testDatabase()
  service = profileService(test.ctx)
})
afterEach(() => test.dispose())

const upsert = (profiles: unknown[], key = 'id') => service.upsert(test.session, { key, profiles })
const refused = async (work: Promise<unknown>) => {
  const error = await work.catch((e: unknown) => e)
  expect(error).toBeInstanceOf(Refusal)
  return (error as Refusal).errors
}
const viewer = (): Session => ({ ...test.session, roles: ['VIEWER'] })

describe('upsert', () => {
  it('merges by key, and null removes an attribute', async () => {
    expect(
      await upsert([
        { id: 1, a: { x: 1, y: 2 } },
        { id: '2', b: true },
      ]),
    ).toEqual({ inserted: 2, updated: 0 })
    expect(await upsert([{ id: 1, a: { x: null }, c: 'new' }])).toEqual({ inserted: 0, updated: 1 })
    expect(await profilesOf(test.database)).toEqual([
      { key: '1', attributes: { id: 1, a: { y: 2 }, c: 'new' } },
      { key: '2', attributes: { id: '2', b: true } },
    ])
  })

  it('writes nothing when any profile is invalid, and names each', async () => {
    const profiles = [
      { id: 'a' },
      'text',
      { x: 1 },
      JSON.parse('{"id":"b","__proto__":{"p":1}}'),
      { id: 'c' },
    ]
    const errors = await refused(upsert(profiles))
    expect(errors.map(({ path }) => path)).toEqual([
      ['input', 'profiles', '1'],
      ['input', 'profiles', '2'],
      ['input', 'profiles', '3'],
    ])
    expect(await profilesOf(test.database)).toEqual([])
  })

  it('refuses too many, too much, and none', async () => {
    const many = Array.from({ length: 2001 }, (_, id) => ({ id }))
    expect(await refused(upsert(many))).toMatchObject([
      { code: 'LIMIT_EXCEEDED', limit: 2000, requested: 2001 },
    ])
    const large = Array.from({ length: 9 }, (_, id) => ({ id, text: 'x'.repeat(1024 * 1024) }))
    expect(await refused(upsert(large))).toMatchObject([{ code: 'LIMIT_EXCEEDED', limit: 8 * 1024 * 1024 }])
    expect(await refused(upsert([]))).toMatchObject([{ code: 'INVALID_INPUT', path: ['input', 'profiles'] }])
    expect(await refused(upsert([{}], '__proto__'))).toMatchObject([{ path: ['input', 'key'] }])
  })

  it('is for those who may write profiles', async () => {
    await expect(service.upsert(viewer(), { key: 'id', profiles: [{ id: 1 }] })).rejects.toThrow(AccessError)
  })
})

describe('attributes', () => {
  it('are the leaves with their type, true count and examples, the most filled first', async () => {
    await upsert([
      { id: 'a', n: 1, day: '2023-01-01', deep: { er: true }, list: [1], mixed: 1 },
      { id: 'b', n: 2.5, day: '2023-02-30', deep: {}, list: [1], mixed: 'x' },
      { id: 'c', n: 1, gone: null, text: 'x'.repeat(300) },
    ])
    // Among equals in the order in which the database keeps them.
    const attributes = await service.attributes(test.session)
    expect(attributes.map(({ profileCount }) => profileCount)).toEqual([3, 3, 2, 2, 2, 1, 1])
    const order = (a: ProfileAttribute, b: ProfileAttribute) =>
      b.profileCount - a.profileCount || (a.path > b.path ? 1 : -1)
    expect(attributes.sort(order)).toEqual([
      { path: 'id', type: 'STRING', profileCount: 3, examples: ['a', 'b', 'c'] },
      { path: 'n', type: 'NUMBER', profileCount: 3, examples: [1, 2.5] },
      { path: 'day', type: 'MIXED', profileCount: 2, examples: ['2023-01-01', '2023-02-30'] },
      { path: 'list', type: 'MIXED', profileCount: 2, examples: [[1]] },
      { path: 'mixed', type: 'MIXED', profileCount: 2, examples: [1, 'x'] },
      { path: 'deep.er', type: 'BOOLEAN', profileCount: 1, examples: [true] },
      { path: 'text', type: 'STRING', profileCount: 1, examples: [`${'x'.repeat(200)}…`] },
    ])
  })

  it('are computed again after a change, and only then', async () => {
    const stats = () => test.database.db.select().from(test.database.tables.attributeStats)
    await upsert([{ id: 'a' }])
    const both = await Promise.all([service.attributes(test.session), service.attributes(test.session)])
    expect(both[0]).toEqual(both[1])
    test.setTime(new Date('2030-01-01'))
    await service.attributes(test.session)
    expect((await stats())[0]?.computedAt.getTime()).toBeLessThan(Date.parse('2030-01-01'))
    await upsert([{ id: 'a', x: 1 }])
    expect(await service.attributes(test.session)).toHaveLength(2)
    expect((await stats())[0]?.computedAt).toEqual(new Date('2030-01-01'))
  })

  it('are those of the own sandbox, and without examples for viewers', async () => {
    await upsert([{ id: 'a' }])
    const other = adminSession(await addSandbox(test.database, 'other'))
    expect(await service.attributes(other)).toEqual([])
    expect(await service.attributes(viewer())).toMatchObject([{ path: 'id', profileCount: 1, examples: [] }])
    await expect(service.attributes({ ...test.session, roles: ['PARTNER'] })).rejects.toThrow(AccessError)
  })
})

describe('delete', () => {
  const at = new Date('2024-01-01')

  /** A snapshot of version `version` with the profiles, and runs of it. */
  async function snapshotOf(version: number, profileIds: number[], runs: Partial<NewRow<'runs'>>[]) {
    const { db, tables } = test.database
    const { sandboxId } = test
    const common = { sandboxId, segmentId: `seg_${version}`, snapshotId: `snp_${version}` }
    await test.database.batch([
      db.insert(tables.snapshots).values({
        ...common,
        id: common.snapshotId,
        jobId: 'job_1',
        version,
        evaluatedAt: at,
        profileCount: profileIds.length,
        entered: 0,
        exited: 0,
      }),
      db.insert(tables.members).values(profileIds.map((profileId) => ({ version, profileId }))),
      ...runs.map((run) =>
        db.insert(tables.runs).values({
          ...common,
          id: 'run_1',
          dataflowId: 'flow_1',
          destinationId: 'dst_1',
          mappingId: 'map_1',
          trigger: 'SCHEDULED',
          mode: 'FULL',
          status: 'PROCESSING',
          phase: 'READING',
          plan: { fileFormat: {} } as never, // deletion looks only whether there is one
          checkpoint: { afterProfileId: 1 } as never, // only whether there is one matters
          fence: 3,
          leaseUntil: at,
          createdAt: at,
          ...run,
        }),
      ),
      ...runs.map(({ id = 'run_1' }) =>
        db
          .insert(tables.runFiles)
          .values({ runId: id, part: 1, name: `${id}.csv`, location: '', rows: 1, bytes: 1, sha256: '' }),
      ),
    ])
  }
  const runOf = async (id: string) => {
    const { runs } = test.database.tables
    return (await test.database.db.select().from(runs).where(eq(runs.id, id)))[0]
  }
  const erase = (value: string, key = 'id') => service.delete(test.session, { key, value })

  it('erases the profile, its memberships in every version, and its rejections', async () => {
    const { db, tables } = test.database
    await upsert([{ id: 'a' }, { id: 'b' }])
    await snapshotOf(1, [1, 2], [{ id: 'run_1', status: 'FAILED', phase: 'DONE' }])
    await snapshotOf(7, [1, 2], [])
    await test.database.batch([db.insert(tables.members).values({ version: 9, profileId: 1 })]) // not finished yet
    const rejection = { runId: 'run_1', reason: 'NO_CONSENT' } as const
    await test.database.batch([
      db.insert(tables.rejections).values([1, 2].map((profileId) => ({ ...rejection, profileId }))),
    ])
    expect(await erase('a')).toEqual({ deletedProfileId: 1, deliveredFiles: [] })
    expect((await profilesOf(test.database)).map(({ key }) => key)).toEqual(['b'])
    const left = await db.select().from(tables.members)
    expect(left).toEqual([1, 7].map((version) => ({ version, profileId: 2 })))
    expect(await db.select().from(tables.rejections)).toMatchObject([{ profileId: 2 }])
    expect((await db.select().from(tables.sandboxes))[0]?.profilesVersion).toBe(2)
  })

  it('leaves no value of the profile among the examples of attributes, kept or being computed', async () => {
    const kept = () => test.database.db.select().from(test.database.tables.attributeStats)
    await upsert([{ id: 'a' }, { id: 'b' }])
    await service.attributes(test.session)
    await erase('a')
    expect(await kept()).toEqual([])
    const computing = service.attributes(test.session)
    await erase('b')
    await computing
    expect(await kept()).toEqual([])
  })

  it('makes runs that carry the profile begin their file again, and leaves the others alone', async () => {
    await upsert([{ id: 'a' }, { id: 'b' }])
    await snapshotOf(
      1,
      [1, 2],
      [
        { id: 'reading' },
        { id: 'delivering', phase: 'DELIVERING', status: 'CANCELLING' },
        { id: 'finalizing', phase: 'FINALIZING' },
        { id: 'failed', status: 'FAILED', phase: 'DONE' },
      ],
    )
    await snapshotOf(2, [2], [{ id: 'without' }])
    const { deliveredFiles } = await erase('a')
    expect(deliveredFiles.map(({ runId }) => runId)).toEqual(['finalizing'])
    for (const id of ['reading', 'delivering']) {
      expect(await runOf(id)).toMatchObject({ checkpoint: null, fence: 4, leaseUntil: new Date(0) })
    }
    for (const id of ['finalizing', 'failed', 'without']) {
      expect(await runOf(id)).toMatchObject({ checkpoint: { afterProfileId: 1 }, fence: 3, leaseUntil: at })
    }
  })

  it('lists the files that the profile left in, but not those that rejected it', async () => {
    const { db, tables } = test.database
    await upsert([{ id: 'a' }, { id: 'b' }])
    const done = { status: 'SUCCESS', phase: 'DONE' } as const
    await snapshotOf(
      1,
      [1, 2],
      [
        { id: 'sent', ...done },
        { id: 'rejecting', ...done },
      ],
    )
    await snapshotOf(2, [2], [{ id: 'without', ...done }])
    await test.database.batch([
      db.insert(tables.rejections).values({ runId: 'rejecting', profileId: 1, reason: 'NO_CONSENT' }),
    ])
    expect((await erase('a')).deliveredFiles).toMatchObject([{ runId: 'sent', name: 'sent.csv' }])
  })

  it('answers the same for what never was, what is gone and what is in another sandbox', async () => {
    await upsert([{ id: 'a' }])
    const other = adminSession(await addSandbox(test.database, 'other'))
    const elsewhere = await refused(service.delete(other, { key: 'id', value: 'a' }))
    expect(await profilesOf(test.database)).toHaveLength(1)
    await erase(' a ')
    const gone = await refused(erase('a'))
    expect(elsewhere).toEqual(gone)
    expect(gone).toMatchObject([{ code: 'NOT_FOUND', path: ['input', 'value'] }])
    expect(await refused(erase('a', 'nope'))).toMatchObject([{ code: 'NOT_FOUND' }])
  })

  it('is for administrators', async () => {
    const operator: Session = { ...test.session, roles: ['OPERATOR'] }
    await expect(service.delete(operator, { key: 'id', value: 'a' })).rejects.toThrow(AccessError)
  })
})
