import { eq } from 'drizzle-orm'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Rule } from '../../src/domain/model.ts'
import { segmentService } from '../../src/services/segment.ts'
import { type TestGateway, testGateway } from '../support/api.ts'
import { addProfiles, evaluate } from '../support/segments.ts'

let gateway: TestGateway
beforeEach(async () => {
  gateway = await testGateway()
})
afterEach(() => gateway.dispose())

const above = (value: number): Rule => ({ attribute: { path: 'n', operator: 'GREATER_THAN', value } })

it('tells of every segmentation which segments failed and why, newest first', async () => {
  const { test } = gateway
  const create = (name: string, rule: Rule) => segmentService(test.ctx).create(test.session, { name, rule })
  await addProfiles(test, [{ n: 1 }])
  const bad = await create('bad', above(0))
  await create('good', above(0))
  await create('neither', { not: { segment: bad.id } })
  await evaluate(test)
  const { segments } = test.database.tables
  const rule = { attribute: { path: 'n', operator: 'LIKE' } } as unknown as Rule
  await test.database.batch([test.database.db.update(segments).set({ rule }).where(eq(segments.id, bad.id))])
  await evaluate(test)
  const query = `query ($filter: SegmentationJobFilter, $after: String) {
    segmentationJobs(filter: $filter, first: 1, after: $after) {
      totalCount pageInfo { endCursor hasNextPage }
      nodes { status trigger dueAt error { code message } failures { segment { name } error { code } } }
    } }`
  const first = (await gateway.data(query)).segmentationJobs
  expect(first).toMatchObject({ totalCount: 2, pageInfo: { hasNextPage: true } })
  expect(first.nodes).toEqual([
    {
      status: 'FAILED',
      trigger: 'AD_HOC',
      dueAt: null,
      error: { code: 'SEGMENTS_FAILED', message: expect.stringContaining('2 of 3 segments') },
      failures: [
        { segment: { name: 'bad' }, error: { code: 'EVALUATION_FAILED' } },
        { segment: { name: 'neither' }, error: { code: 'DEPENDENCY_FAILED' } },
      ],
    },
  ])
  const second = await gateway.data(query, { after: first.pageInfo.endCursor })
  expect(second.segmentationJobs.nodes).toMatchObject([{ status: 'SUCCEEDED', error: null, failures: [] }])
  const failed = await gateway.data(query, { filter: { status: ['FAILED'], trigger: ['AD_HOC'] } })
  expect(failed.segmentationJobs.totalCount).toBe(1)
  const scheduled = await gateway.data(query, { filter: { trigger: ['SCHEDULED'] } })
  expect(scheduled.segmentationJobs.nodes).toEqual([])
})

it('answers a second request with the job at work, and tells when the next one is due', async () => {
  const { test } = gateway
  await segmentService(test.ctx).create(test.session, { name: 'all', rule: above(0) })
  const ask = 'mutation { evaluateSegments { job { id status } errors { message } } }'
  const first = await gateway.data(ask)
  expect(first.evaluateSegments).toMatchObject({ job: { status: 'QUEUED' }, errors: [] })
  expect(await gateway.data(ask)).toEqual(first)
  test.setTime(new Date('2028-02-28T00:00:00.000Z'))
  expect(await gateway.data('{ viewer { sandbox { nextSegmentationAt } } }')).toEqual({
    viewer: { sandbox: { nextSegmentationAt: '2028-02-29T00:00:00.000Z' } },
  })
})
