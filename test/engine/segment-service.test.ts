import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AccessError, type Refusal, type UserError } from '../../src/domain/errors.ts'
import type { Rule } from '../../src/domain/model.ts'
import { segmentService } from '../../src/services/segment.ts'
import { segmentStore } from '../../src/storage/segment.ts'
import { segmentationLease } from '../../src/storage/segmentation-lease.ts'
import { addSandbox, adminSession, type TestDatabase, testDatabase } from '../support/database.ts'
import { addProfiles, evaluate, startWorker } from '../support/segments.ts'

let test: TestDatabase
let service: ReturnType<typeof segmentService>
beforeEach(async () => {
  test = await testDatabase()
  service = segmentService(test.ctx)
})
afterEach(() => test.dispose())

const above = (value: number): Rule => ({ attribute: { path: 'n', operator: 'GREATER_THAN', value } })
const create = (name: string, rule: unknown = above(0)) => service.create(test.session, { name, rule })
const refused = (work: Promise<unknown>): Promise<UserError[]> =>
  work.then(
    () => [],
    (error: Refusal) => error.errors,
  )
const viewer = () => ({ ...test.session, roles: ['VIEWER' as const] })

describe('create', () => {
  it('gives each segment the next number and a readable expression', async () => {
    const vip = await create(' VIP ')
    const rule = {
      all: [
        { segment: vip.id },
        { not: { attribute: { path: 'country', operator: 'IN', value: ['India', 'China'] } } },
      ],
    }
    const second = await create('other', rule)
    expect(vip).toMatchObject({
      number: 1,
      name: 'VIP',
      status: 'ACTIVE',
      expression: 'n > 0',
      snapshotId: null,
    })
    expect(second).toMatchObject({
      number: 2,
      rule,
      expression: 'member of "VIP" and not (country in ("India", "China"))',
    })
  })

  it('names everything that is wrong at once', async () => {
    const rule = { all: [{ segment: 'seg_none' }, above(1), { not: { segment: 'seg_none' } }] }
    const input = { name: ' ', rule, status: 'DELETED' as const }
    expect(
      (await refused(service.create(test.session, input))).map(({ code, path }) => [code, path.join('.')]),
    ).toEqual([
      ['INVALID_INPUT', 'input.name'],
      ['INVALID_INPUT', 'input.status'],
      ['NOT_FOUND', 'input.rule.all.0.segment'],
      ['NOT_FOUND', 'input.rule.all.2.not.segment'],
    ])
    expect(await segmentStore(test.database).allKept(test.sandboxId)).toEqual([])
  })

  it('takes many at once, each with a number of its own', async () => {
    const made = await Promise.all(Array.from({ length: 20 }, (_, index) => create(`s${index}`)))
    expect(made.map(({ number }) => number).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, i) => i + 1),
    )
  })

  it('knows no segment of another sandbox', async () => {
    const other = adminSession(await addSandbox(test.database, 'other'))
    const segment = await service.create(other, { name: 'theirs', rule: above(0) })
    expect(await refused(create('mine', { segment: segment.id }))).toMatchObject([{ code: 'NOT_FOUND' }])
    expect(await refused(service.delete(test.session, segment.id))).toMatchObject([{ code: 'NOT_FOUND' }])
    expect(await refused(service.evaluate(test.session, [segment.id]))).toMatchObject([{ code: 'NOT_FOUND' }])
    expect(await refused(service.update(test.session, { id: segment.id, name: 'x' }))).toMatchObject([
      { code: 'NOT_FOUND' },
    ])
  })

  it('is for those who may write', async () => {
    await expect(service.create(viewer(), { name: 'x', rule: above(0) })).rejects.toThrow(AccessError)
    await expect(service.preview(viewer(), above(0), 1)).rejects.toThrow(AccessError)
  })
})

describe('update', () => {
  it('changes what is given, and clears a description by null', async () => {
    const segment = await service.create(test.session, { name: 'a', description: 'b', rule: above(0) })
    const renamed = await service.update(test.session, { id: segment.id, name: 'c' })
    expect(renamed).toMatchObject({ name: 'c', description: 'b', expression: 'n > 0' })
    const changed = await service.update(test.session, {
      id: segment.id,
      description: null,
      rule: above(5),
      status: 'INACTIVE',
    })
    expect(changed).toMatchObject({ name: 'c', description: null, expression: 'n > 5', status: 'INACTIVE' })
  })

  it('renames the segment in the expressions of others', async () => {
    const base = await create('base')
    const other = await create('other', { not: { segment: base.id } })
    await service.update(test.session, { id: base.id, name: 'new' })
    const [row] = await segmentStore(test.database).byIds(test.sandboxId, [other.id])
    expect(row?.expression).toBe('not (member of "new")')
  })

  it('refuses a rule that closes a circle, over any number of segments', async () => {
    const a = await create('a')
    const b = await create('b', { segment: a.id })
    const c = await create('c', { any: [{ segment: b.id }, above(1)] })
    const errors = await refused(service.update(test.session, { id: a.id, rule: { not: { segment: c.id } } }))
    expect(errors).toMatchObject([{ code: 'INVALID_INPUT', path: ['input', 'rule'] }])
    expect(errors[0]?.message).toContain('"a" → "c" → "b" → "a"')
    expect(await refused(service.update(test.session, { id: a.id, rule: { segment: a.id } }))).toHaveLength(1)
  })

  it('lets no circle through when two rules change at the same time', async () => {
    const [a, b] = [await create('a'), await create('b')]
    const outcomes = await Promise.allSettled([
      service.update(test.session, { id: a.id, rule: { segment: b.id } }),
      service.update(test.session, { id: b.id, rule: { segment: a.id } }),
    ])
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })
})

describe('delete', () => {
  it('is refused while another rule names the segment, and takes the mappings along', async () => {
    const base = await create('base')
    const other = await create('other', { segment: base.id })
    expect(await refused(service.delete(test.session, base.id))).toMatchObject([
      { code: 'IN_USE', nodeId: other.id },
    ])
    const { segmentMappings } = test.database.tables
    const now = new Date()
    const ids = {
      id: 'map_1',
      sandboxId: test.sandboxId,
      dataflowId: 'flow_1',
      destinationId: 'dst_1',
      segmentId: other.id,
    }
    const schedule = {
      frequency: 'DAILY',
      trigger: 'SCHEDULED',
      startDate: '2025-01-01',
      endDate: null,
      startTime: null,
    } as const
    const mapping = { ...ids, number: 1, elementName: 'x', elementStatus: 'ACTIVE' as const, schedule }
    const times = { activatedAt: now, adHocAllowedFrom: now, createdAt: now, updatedAt: now }
    await test.database.batch([
      test.database.db
        .insert(segmentMappings)
        .values({ ...mapping, ...times, exportMode: 'DAILY_FULL_EXPORT' }),
    ])
    expect(await service.delete(test.session, other.id)).toMatchObject({ status: 'DELETED' })
    expect(await test.database.db.select().from(segmentMappings)).toMatchObject([
      { elementStatus: 'DELETED' },
    ])
    expect(await service.delete(test.session, base.id)).toMatchObject({ status: 'DELETED' })
    expect(await refused(service.delete(test.session, base.id))).toMatchObject([{ code: 'NOT_FOUND' }])
    expect(await refused(service.update(test.session, { id: base.id, name: 'x' }))).toMatchObject([
      { code: 'NOT_FOUND' },
    ])
  })

  it('is refused while a run exports the segment', async () => {
    const segment = await create('base')
    const { runs } = test.database.tables
    const ids = {
      id: 'run_1',
      sandboxId: test.sandboxId,
      dataflowId: 'flow_1',
      destinationId: 'dst_1',
      mappingId: 'map_1',
    }
    const run = { ...ids, segmentId: segment.id, plan: {} as never, createdAt: new Date() }
    await test.database.batch([
      test.database.db
        .insert(runs)
        .values({ ...run, trigger: 'AD_HOC', mode: 'FULL', status: 'CANCELLING', phase: 'READING' }),
    ])
    expect(await refused(service.delete(test.session, segment.id))).toMatchObject([
      { code: 'IN_USE', nodeId: 'run_1' },
    ])
    await test.database.batch([test.database.db.update(runs).set({ status: 'CANCELLED' })])
    expect(await service.delete(test.session, segment.id)).toMatchObject({ status: 'DELETED' })
  })

  it('is not held up by a text that looks like a rule', async () => {
    const base = await create('base')
    await create('other', { attribute: { path: 'x', operator: 'EQUALS', value: `"segment":"${base.id}"` } })
    expect(await service.delete(test.session, base.id)).toMatchObject({ status: 'DELETED' })
  })

  it('is refused when a rule comes to name it at the same time, or that rule is', async () => {
    const base = await create('base')
    const outcomes = await Promise.allSettled([
      service.delete(test.session, base.id),
      create('other', { segment: base.id }),
    ])
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })
})

describe('evaluate', () => {
  it('takes all active segments, or those named', async () => {
    const draft = await service.create(test.session, { name: 'draft', rule: above(0), status: 'DRAFT' })
    const active = await create('active')
    expect((await service.evaluate(test.session, null)).segmentIds).toEqual([active.id])
    expect(await refused(service.evaluate(test.session, [active.id, draft.id, 'seg_none']))).toMatchObject([
      { code: 'INVALID_INPUT', path: ['segmentIds', '1'], nodeId: draft.id },
      { code: 'NOT_FOUND', path: ['segmentIds', '2'] },
    ])
  })

  it('refuses an empty list, one that is too long, and nothing to evaluate', async () => {
    expect(await refused(service.evaluate(test.session, []))).toMatchObject([{ code: 'INVALID_INPUT' }])
    expect(await refused(service.evaluate(test.session, null))).toMatchObject([{ code: 'INVALID_INPUT' }])
    const many = Array.from({ length: 251 }, (_, index) => `seg_${index}`)
    expect(await refused(service.evaluate(test.session, many))).toMatchObject([
      { code: 'LIMIT_EXCEEDED', limit: 250, requested: 251 },
    ])
  })

  it('runs one job at a time in a sandbox, which is the answer to whoever asks for the same meanwhile', async () => {
    const a = await create('a')
    const asked = await Promise.all([1, 2, 3].map(() => service.evaluate(test.session, null)))
    expect(new Set(asked.map(({ id }) => id)).size).toBe(1)
    const [job] = asked
    expect(await service.evaluate(test.session, [a.id])).toEqual(job)
    await segmentationLease(test.database, 'prc_test').claim(new Date())
    expect(await service.evaluate(test.session, null)).toMatchObject({ id: job!.id, status: 'PROCESSING' })
    // It would not be evaluated by the job at work.
    const b = await create('b')
    for (const segmentIds of [null, [b.id], [a.id, b.id]]) {
      const [error, ...others] = await refused(service.evaluate(test.session, segmentIds))
      expect(others).toEqual([])
      expect(error).toMatchObject({ code: 'CONFLICT', nodeId: job!.id, path: ['segmentIds'] })
      expect(error?.message).toContain('does not evaluate "b"')
    }
    const other = adminSession(await addSandbox(test.database, 'other'))
    await service.create(other, { name: 'theirs', rule: above(0) })
    expect(await service.evaluate(other, null)).toMatchObject({ status: 'QUEUED' })
    const worker = startWorker(test)
    await worker.stop()
  })
})

describe('preview', () => {
  it('counts and shows examples without storing anything', async () => {
    await addProfiles(test, [
      { n: 1, name: 'é' },
      { n: 2 ** 53, deep: { list: [1, null] } },
      { n: 0.1 + 0.2 },
    ])
    expect(await service.preview(test.session, above(0.5), 5)).toEqual({
      profileCount: 2,
      sample: [
        { n: 1, name: 'é' },
        { n: 2 ** 53, deep: { list: [1, null] } },
      ],
    })
    expect(await service.preview(test.session, above(0), 0)).toEqual({ profileCount: 3, sample: [] })
    const other = adminSession(await addSandbox(test.database, 'other'))
    expect(await service.preview(other, above(0), 5)).toEqual({ profileCount: 0, sample: [] })
  })

  it('sees members of the latest snapshot', async () => {
    await addProfiles(test, [{ n: 1 }, { n: 2 }])
    const segment = await create('big', above(1))
    expect((await service.preview(test.session, { segment: segment.id }, 0)).profileCount).toBe(0)
    await evaluate(test)
    expect((await service.preview(test.session, { segment: segment.id }, 0)).profileCount).toBe(1)
  })

  it('points into the rule and at the sample', async () => {
    expect((await refused(service.preview(test.session, { any: [] }, 21))).map(({ path }) => path)).toEqual([
      ['sample'],
      ['rule', 'any'],
    ])
  })
})
