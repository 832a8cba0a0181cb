import { afterAll, beforeAll, expect, it } from 'vitest'
import { aWorld } from '../support/activation.ts'
import { type TestGateway, testGateway } from '../support/api.ts'

let gateway: TestGateway
let world: Awaited<ReturnType<typeof aWorld>>
beforeAll(async () => {
  gateway = await testGateway()
  world = await aWorld(gateway.test)
})
afterAll(() => gateway.dispose())

const ERRORS = 'errors { __typename code message path }'
const rule = { attribute: { path: 'email', operator: 'EXISTS' } }
const mutations: Record<string, { query: string; input: (text: string) => object }> = {
  createSegment: {
    query: `mutation ($input: CreateSegmentInput!) { done: createSegment(input: $input) { object: segment { name } ${ERRORS} } }`,
    input: (name) => ({ name, rule }),
  },
  createDestination: {
    query: `mutation ($input: CreateDestinationInput!) { done: createDestination(input: $input) { object: destination { name } ${ERRORS} } }`,
    input: (name) => ({ name, type: 'LOCAL_DIRECTORY', settings: { path: 'x' } }),
  },
  createDataflow: {
    query: `mutation ($input: CreateDataflowInput!) { done: createDataflow(input: $input) { object: dataflow { name } ${ERRORS} } }`,
    input: (name) => ({ name, destinationId: world.destination.id, fields: [{ source: 'a', target: 'a' }] }),
  },
  createApiToken: {
    query: `mutation ($input: CreateApiTokenInput!) { done: createApiToken(input: $input) { object: apiToken { name } ${ERRORS} } }`,
    input: (name) => ({ name, roles: ['VIEWER'] }),
  },
}
const bad = [
  '',
  '   ',
  'a\u0000b',
  'a\r\nb',
  '\ud800',
  'x'.repeat(256),
  '😀'.repeat(256),
  'x'.repeat(200_000),
]
const good = [
  "Robert'); DROP TABLE segments;--",
  '%_\\',
  '__proto__',
  'constructor',
  '=cmd|x',
  '../../x',
  '😀'.repeat(255),
  'עברית',
]

it.each(Object.entries(mutations))(
  '%s states the rule that a name breaks, and keeps strange ones as they are',
  async (_, { query, input }) => {
    for (const name of bad) {
      const { done } = await gateway.data(query, { input: input(name) })
      expect(done.object, JSON.stringify(name.slice(0, 20))).toBeNull()
      expect(done.errors).toMatchObject([{ __typename: 'InvalidInputError', path: ['input', 'name'] }])
    }
    for (const name of good) {
      const { done } = await gateway.data(query, { input: input(name) })
      expect(done).toEqual({ object: { name }, errors: [] })
    }
  },
)

it('refuses lists that are too long before it looks at them', async () => {
  const ids = Array.from({ length: 10_000 }, (_, index) => `seg_${index}`)
  const asked: [string, object][] = [
    ['mutation ($ids: [ID!]) { done: evaluateSegments(segmentIds: $ids) { errors { code } } }', { ids }],
    [
      'mutation ($ids: [ID!]!) { done: unmapSegments(dataflowId: "flow_x", segmentIds: $ids) { errors { code } } }',
      { ids },
    ],
    [
      'mutation ($ids: [ID!]!) { done: activate(input: { activations: [{ dataflowId: "flow_x", segmentIds: $ids }] }) { errors { code } } }',
      { ids },
    ],
  ]
  for (const [query, variables] of asked) {
    const { done } = await gateway.data(query, variables)
    expect(done.errors.length).toBeGreaterThan(0)
    expect(done.errors.length).toBeLessThan(300)
  }
  for (const filter of ['ids', 'segmentIds', 'dataflowIds', 'destinationIds']) {
    const query = `query ($ids: [ID!]) { runs(filter: { ${filter}: $ids }) { totalCount } }`
    expect((await gateway.ask(query, { ids })).errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
  }
})

it('finds nothing by an id or a search that is no text of ours', async () => {
  const query = `query ($text: String!, $id: ID!) {
    segments(filter: { search: $text }) { totalCount } destinations(filter: { search: $text }) { totalCount }
    dataflows(filter: { search: $text }) { totalCount } runs(filter: { ids: [$id] }) { totalCount }
    node(id: $id) { id } run(id: $id) { id }
  }`
  const mutation = `mutation ($id: ID!) {
    cancelRun(id: $id) { errors { code } } retryRun(id: $id) { errors { code } } deleteSegment(id: $id) { errors { code } }
    removeDestination(id: $id) { errors { code } } enableDataflow(id: $id) { errors { code } }
    revokeApiToken(id: $id) { errors { code } }
  }`
  for (const text of ['\u0000', '\ud800', '\u202e', '__nothing__', 'x'.repeat(100_000)]) {
    const found = Object.values(await gateway.data(query, { text, id: text }))
    expect(found.every((one) => one === null || (one as { totalCount: number }).totalCount === 0)).toBe(true)
    const done = Object.values(await gateway.data(mutation, { id: text }))
    expect(done).toEqual(done.map(() => ({ errors: [{ code: 'NOT_FOUND' }] })))
  }
})

it('a body longer than 256 KB is no request', async () => {
  const { query, input } = mutations.createSegment!
  expect((await gateway.ask(query, { input: input('x'.repeat(1_000_000)) })).status).toBe(413)
})

it('keys that reach for a prototype are refused wherever JSON is taken, and nothing is polluted', async () => {
  const polluted = '{"__proto__":{"admin":true}}'
  const body = (query: string, json: string) =>
    `{"query":${JSON.stringify(query)},"variables":{"json":${json}}}`
  const queries = [
    'mutation ($json: JSON!) { upsertProfiles(input: { key: "id", profiles: [$json] }) { errors { code } } }',
    'mutation ($json: JSON!) { createDestination(input: { name: "x", type: "LOCAL_DIRECTORY", settings: $json }) { errors { code } } }',
    'query ($json: JSON) { previewSegment(rule: { attribute: { path: "a", operator: EQUALS, value: $json } }) { profileCount } }',
  ]
  for (const query of queries) {
    const answer = await (await gateway.fetch({ body: body(query, polluted) })).json()
    expect(answer.errors[0].extensions.code).toBe('BAD_USER_INPUT')
  }
  const literal =
    '{ previewSegment(rule: { attribute: { path: "a", operator: EQUALS, value: { __proto__: 1 } } }) { profileCount } }'
  expect((await gateway.ask(literal)).errors?.[0]?.extensions.code).toBeTypeOf('string')
  expect(({} as { admin?: boolean }).admin).toBeUndefined()
})

it('numbers and moments out of range are refused by the schema', async () => {
  for (const query of [
    '{ segments(filter: { numbers: [2147483648] }) { totalCount } }',
    '{ segments(filter: { updatedSince: "2026-02-30T00:00:00Z" }) { totalCount } }',
    '{ runs(filter: { createdAfter: "10000-01-01T00:00:00Z" }) { totalCount } }',
    '{ segments(first: "1") { totalCount } }',
  ]) {
    const code = (await gateway.ask(query)).errors?.[0]?.extensions.code
    expect(['GRAPHQL_VALIDATION_FAILED', 'BAD_USER_INPUT'], query).toContain(code)
  }
  const query = 'query ($at: DateTime) { runs(filter: { createdAfter: $at }) { totalCount } }'
  for (const at of ['2026-11-22', 'x'.repeat(100_000), 12, {}, []]) {
    expect((await gateway.ask(query, { at })).errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
  }
})

it('nothing of all this was a bug', () => {
  expect(gateway.logged).toEqual([])
})
