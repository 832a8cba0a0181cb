// Case 34: what takes too long in the database.
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type TestGateway, testGateway } from '../support/api.ts'

const PROFILES = 200_000
const DEADLINE_MS = 100
/** Looks at every profile, forty times. */
const rule = {
  any: Array.from({ length: 40 }, (_, index) => ({
    attribute: { path: 'text', operator: 'CONTAINS', value: `nothing ${index}` },
  })),
}
const query = 'query ($rule: SegmentRuleInput!) { previewSegment(rule: $rule) { profileCount } }'

let gateway: TestGateway
let reads = 0
beforeEach(async () => {
  gateway = await testGateway({ config: { deadlineMs: DEADLINE_MS } })
  await gateway.data(
    'mutation { upsertProfiles(input: { key: "id", profiles: [{ id: "first", text: "something" }] }) { errors { message } } }',
  )
  const { database } = gateway.test
  const { profiles } = database.tables
  const copies = sql`with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < ${PROFILES})
    select 1000 + n, namespace_id, 'copy ' || n, attributes from numbers, (select * from ${profiles} limit 1)`
  await database.batch([database.db.insert(profiles).select(copies)])
  const { aside } = gateway.parts.database
  reads = 0
  gateway.parts.database.aside = async (...read) => {
    reads += 1
    return aside(...read)
  }
})
afterEach(() => gateway.dispose())

it('case 34: a preview that takes too long is answered with TIMEOUT, and others are served meanwhile', async () => {
  const slow = gateway.ask(query, { rule })
  expect((await gateway.data('{ viewer { name } }')).viewer.name).toBe('admin')
  expect((await slow).errors?.[0]?.extensions.code).toBe('TIMEOUT')
  expect(gateway.logged).toEqual([])
})

it('case 34: one that nobody waits for any more stops after the slice in hand, and the next one answers', async () => {
  const { segment } = gateway.parts.services
  const { session } = gateway.test
  const late = new AbortController()
  const slow = segment.preview(session, rule, 0, late.signal)
  await expect.poll(() => reads).toBeGreaterThan(1)
  late.abort()
  await expect(slow).rejects.toThrow('The preview took too long.')
  const stopped = reads
  const easy = { attribute: { path: 'text', operator: 'EXISTS' } }
  expect(await segment.preview(session, easy, 1)).toEqual({
    profileCount: PROFILES + 1,
    sample: [expect.objectContaining({ text: 'something' })],
  })
  expect(reads).toBeGreaterThan(stopped)
})

it('case 34: a hundred at once are refused beyond what can be done, and the next one answers', async () => {
  const { segment } = gateway.parts.services
  const { session } = gateway.test
  const signal = AbortSignal.timeout(DEADLINE_MS)
  const all = await Promise.allSettled(
    Array.from({ length: 100 }, () => segment.preview(session, rule, 0, signal)),
  )
  const messages = all.map((one) => (one.status === 'rejected' ? String(one.reason.message) : 'done'))
  expect(messages.filter((message) => message.startsWith('Many previews'))).toHaveLength(84)
  const easy = { attribute: { path: 'text', operator: 'NOT_EXISTS' } }
  expect((await segment.preview(session, easy, 0)).profileCount).toBe(0)
})
