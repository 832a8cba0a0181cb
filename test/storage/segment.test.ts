import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Rule } from '../../src/domain/model.ts'
import { segmentService } from '../../src/services/segment.ts'
import { type SegmentFilter, type SegmentOrder, segmentStore } from '../../src/storage/segment.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

let test: TestDatabase
const rule: Rule = { attribute: { path: 'n', operator: 'EXISTS' } }
const ids: Record<string, string> = {}
beforeAll(async () => {
  test = await testDatabase()
  const service = segmentService(test.ctx)
  const names = ['Alpha', 'beta_1', 'betaX1', '100%', 'gone']
  for (const [index, name] of names.entries()) {
    test.setTime(new Date(Date.UTC(2025, 0, index + 1)))
    const status = name === '100%' ? ('DRAFT' as const) : ('ACTIVE' as const)
    ids[name] = (await service.create(test.session, { name, rule, status })).id
  }
  await service.delete(test.session, ids.gone!)
  const { segmentMappings } = test.database.tables
  const now = new Date()
  const mapping = (id: string, number: number, name: string, elementStatus: 'ACTIVE' | 'DELETED') => ({
    id,
    number,
    sandboxId: test.sandboxId,
    segmentId: ids[name]!,
    dataflowId: `flow_${number}`,
    destinationId: 'dst_1',
    elementName: name,
    elementStatus,
    schedule: {
      frequency: 'DAILY',
      trigger: 'SCHEDULED',
      startDate: '2025-01-01',
      endDate: null,
      startTime: null,
    } as const,
    exportMode: 'DAILY_FULL_EXPORT' as const,
    activatedAt: now,
    adHocAllowedFrom: now,
    createdAt: now,
    updatedAt: now,
  })
  await test.database.batch([
    test.database.db
      .insert(segmentMappings)
      .values([mapping('map_1', 1, 'Alpha', 'ACTIVE'), mapping('map_2', 2, 'betaX1', 'DELETED')]),
  ])
})
afterAll(() => test.dispose())

async function names(filter?: SegmentFilter, orderBy?: SegmentOrder) {
  const { sandboxId, database } = test
  const page = await segmentStore(database).page({ sandboxId, filter, orderBy, args: {}, maxPageSize: 100 })
  expect(await page.totalCount()).toBe(page.rows.length)
  return page.rows.map(({ name }) => name)
}

describe('a page of segments', () => {
  it('leaves out deleted ones unless they are asked for', async () => {
    expect(await names()).toEqual(['Alpha', 'beta_1', 'betaX1', '100%'])
    expect(await names({ status: ['DELETED', 'DRAFT'] })).toEqual(['100%', 'gone'])
  })
  it.each<[SegmentFilter, string[]]>([
    [{ search: 'BETA_' }, ['beta_1']],
    [{ search: '%' }, ['100%']],
    [{ search: '' }, ['Alpha', 'beta_1', 'betaX1', '100%']],
    [{ search: "' or 1=1 --" }, []],
    [{ numbers: [2, 3, 3] }, ['beta_1', 'betaX1']],
    [{ ids: [] }, []],
    [{ destinationId: 'dst_1' }, ['Alpha']],
    [{ destinationId: 'dst_2' }, []],
    [{ updatedSince: new Date(Date.UTC(2025, 0, 3)) }, ['betaX1', '100%']],
    [{ search: 'a', status: ['ACTIVE'], numbers: null }, ['Alpha', 'beta_1', 'betaX1']],
  ])('filters by %j', async (filter, expected) => {
    expect(await names(filter)).toEqual(expected)
  })
  it('is ordered as asked', async () => {
    expect(await names({}, { field: 'NAME', direction: 'DESC' })).toEqual([
      'beta_1',
      'betaX1',
      'Alpha',
      '100%',
    ])
    expect(await names({}, { field: 'UPDATED_AT', direction: 'DESC' })).toEqual([
      '100%',
      'betaX1',
      'beta_1',
      'Alpha',
    ])
  })
  it('refuses a filter that is too long', async () => {
    await expect(names({ numbers: Array.from({ length: 251 }, (_, index) => index) })).rejects.toThrow('250')
  })
})
