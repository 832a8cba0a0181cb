import { count } from 'drizzle-orm'
import { beforeAll, describe, expect, it } from 'vitest'
import { schema } from '../../src/graphql/schema.ts'
import { aWorld, worldOf } from '../support/activation.ts'
import { slotsOf } from '../support/slots.ts'
import { expectDiscreet, expectRefusal, underAttack } from '../support/under-attack.ts'
import { ways } from '../support/ways.ts'

const at = underAttack()
let world: Awaited<ReturnType<typeof aWorld>>
beforeAll(async () => {
  world = await aWorld(at.gateway.test, { segments: 3 })
})

const slots = slotsOf(schema)
const ERRORS = 'errors { code message }'

async function newSegment(name: string): Promise<string> {
  const query =
    'mutation ($name: String!) { createSegment(input: { name: $name, rule: { attribute: { path: "email", operator: EXISTS } } }) { segment { id } } }'
  return (await at.gateway.data(query, { name })).createSegment.segment.id
}

/** How many rows each table has. */
async function rows(): Promise<Record<string, number>> {
  const { db, tables } = at.gateway.test.database
  const entries = Object.entries(tables).map(async ([name, table]) => {
    const [row] = await db.select({ count: count() }).from(table)
    return [name, row?.count ?? 0] as const
  })
  return Object.fromEntries(await Promise.all(entries))
}

it('there are slots of every kind to try', () => {
  expect(slots.length).toBeGreaterThan(100)
  const names = slots.map(({ name }) => name)
  for (const name of [
    'segments.filter.search',
    'node.id',
    'createSegment.input.rule.attribute.value',
    'runs.after',
  ]) {
    expect(names).toContain(name)
  }
})

describe.each(ways)('text, $name', ({ path }) => {
  const injections = [
    "' OR '1'='1",
    '"; DROP TABLE segments; --',
    "x'); DELETE FROM api_tokens; --",
    "%' UNION SELECT secret_hash, 1, 1 FROM api_tokens --",
    "$.a[0]\"'); ATTACH DATABASE '/tmp/x' AS x; --",
  ]
  it.each(injections)('case 36: %j in any slot is nothing but text', async (injection) => {
    const before = await rows()
    for (const { name, query, variables } of slots) {
      const reply = await at.ask(path, { query, variables: variables(injection) })
      expect(reply.status, name).toBeLessThan(500)
      expect(reply.body.errors?.[0]?.extensions.code, name).not.toBe('INTERNAL_SERVER_ERROR')
      expectDiscreet(reply.text.replaceAll(JSON.stringify(injection).slice(1, -1), ''))
      const [found] = Object.values<{ totalCount?: number } | null>(reply.body.data ?? {})
      // Nothing is called that, so a filter by it finds nothing; where there is no answer, the text broke a rule.
      if (/\.(search|ids|id)\b/.test(name)) expect(found?.totalCount ?? 0, name).toBe(0)
    }
    const after = await rows()
    for (const [table, number] of Object.entries(before))
      expect(after[table], table).toBeGreaterThanOrEqual(number)
  })

  const hostile = {
    NUL: '\u0000',
    'control characters': 'a\u0001\u001f',
    'a line break and a header': 'a\r\nset-cookie: x=1',
    'half a surrogate': '\ud800',
    'a turn of direction': '\u202eabc',
    '300 emoji': '😀'.repeat(300),
    '100 KB': 'x'.repeat(100_000),
  }
  it.each(Object.entries(hostile))(
    'case 35: %s in any slot is refused, or means nothing',
    async (_, text) => {
      for (const { name, query, variables } of slots) {
        const reply = await at.ask(path, { query, variables: variables(text) })
        expect(reply.status, name).toBeLessThan(500)
        expect(reply.text.length, name).toBeLessThan(2_000 + text.length)
        expect(reply.body.errors?.[0]?.extensions.code, name).not.toBe('INTERNAL_SERVER_ERROR')
        expect(reply.headers.get('set-cookie')).toBeNull()
      }
    },
  )

  it('case 37: % and _ are matched literally in a search', async () => {
    for (const [name, search, found] of [
      ['100% sure', '0% s', 1],
      ['a_b', 'a_b', 1],
      ['back\\slash', '\\', 1],
      ['plain', '%', 0],
      ['plain', '_', 0],
    ] as const) {
      const id = await newSegment(`${name} ${path}`)
      const query = 'query ($search: String!) { segments(filter: { search: $search }) { nodes { id } } }'
      const { body } = await at.ask(path, { query, variables: { search } })
      const ids: string[] = body.data.segments.nodes.map(({ id }: { id: string }) => id)
      expect(
        ids.filter((one) => one === id),
        search,
      ).toHaveLength(found)
    }
  })

  it.each([
    [
      'an Int of 2^31',
      'query ($v: [Int!]) { segments(filter: { numbers: $v }) { totalCount } }',
      '[2147483648]',
    ],
    ['an Int of 1e400', 'query ($v: Int) { segments(first: $v) { totalCount } }', '1e400'],
    ['an Int of 1.5', 'query ($v: Int) { segments(first: $v) { totalCount } }', '1.5'],
    ['a text for an Int', 'query ($v: Int) { segments(first: $v) { totalCount } }', '"1"'],
    ['true for an Int', 'query ($v: Int) { segments(first: $v) { totalCount } }', 'true'],
    ['a number for a Boolean', 'query ($v: Boolean!) { viewer { name @skip(if: $v) } }', '1'],
    ['an object for an ID', 'query ($v: ID!) { segment(id: $v) { id } }', '{}'],
    ['a fraction for an ID', 'query ($v: ID!) { segment(id: $v) { id } }', '1.5'],
    ['a number for a String', 'query ($v: String) { segments(filter: { search: $v }) { totalCount } }', '1'],
    [
      'an unknown enum value',
      'query ($v: [RunStatus!]) { runs(filter: { status: $v }) { totalCount } }',
      '["WON"]',
    ],
    ['null where there must be a value', 'query ($v: ID!) { segment(id: $v) { id } }', 'null'],
    ['nothing where there must be a value', 'query ($v: ID!) { segment(id: $v) { id } }', undefined],
    [
      'both of a choice',
      'query ($v: SegmentRuleInput!) { previewSegment(rule: $v) { profileCount } }',
      '{"segment":"seg_x","not":{"segment":"seg_x"}}',
    ],
    ['none of a choice', 'query ($v: SegmentRuleInput!) { previewSegment(rule: $v) { profileCount } }', '{}'],
    [
      'an unknown field',
      'query ($v: SegmentFilter) { segments(filter: $v) { totalCount } }',
      '{"constructor":1}',
    ],
  ])('case 38: %s is refused', async (_, query, value) => {
    const body = `{"query":${JSON.stringify(query)},"variables":{${value === undefined ? '' : `"v":${value}`}}}`
    expectRefusal(await at.send(path, { body }), { codes: ['BAD_USER_INPUT'] })
  })

  it.each(['NaN', 'Infinity', '-Infinity', '01', '+1', '0x10', '1_000', "'1'", 'undefined'])(
    'case 38: %s is no JSON',
    async (value) => {
      const query = JSON.stringify('query ($v: Int) { segments(first: $v) { totalCount } }')
      const reply = await at.send(path, { body: `{"query":${query},"variables":{"v":${value}}}` })
      expectRefusal(reply, { status: 400, codes: ['BAD_REQUEST'] })
    },
  )

  it.each([0, -1, 101, 1_000_000])('case 39: a page of %d names what it may be', async (first) => {
    const query = 'query ($first: Int) { segments(first: $first) { totalCount } }'
    const reply = await at.ask(path, { query, variables: { first } })
    expectRefusal(reply, { codes: ['BAD_USER_INPUT'] })
    expect(reply.text).toContain('first must be between 1 and 100.')
  })

  it('case 41: lists of 20,000 are refused at 250, and at 1,000 where partners look numbers up', async () => {
    const many = (length: number) => Array.from({ length }, (_, index) => `seg_${index}`)
    const listed: [string, number][] = [
      ['query ($v: [ID!]) { runs(filter: { segmentIds: $v }) { totalCount } }', 250],
      ['query ($v: [ID!]) { dataflows(filter: { ids: $v }) { totalCount } }', 250],
      ['query ($v: [ID!]!) { nodes(ids: $v) { id } }', 250],
    ]
    for (const [query, limit] of listed) {
      expectRefusal(await at.ask(path, { query, variables: { v: many(limit + 1) } }), {
        codes: ['BAD_USER_INPUT'],
      })
      expectRefusal(await at.ask(path, { query, variables: { v: many(19_000) } }))
      expect((await at.ask(path, { query, variables: { v: many(limit) } })).body.errors).toBeUndefined()
    }
    const query = `query ($v: [Int!]) { destination(id: "${world.destination.id}") { segmentMappings(first: 1, filter: { numbers: $v }) { totalCount } } }`
    const numbers = (length: number) => Array.from({ length }, (_, index) => index + 1)
    expectRefusal(await at.ask(path, { query, variables: { v: numbers(1_001) } }), {
      codes: ['BAD_USER_INPUT'],
    })
    expect((await at.ask(path, { query, variables: { v: numbers(1_000) } })).body.errors).toBeUndefined()
  })

  it('case 42: keys that reach for a prototype are refused or ignored, and the next request is clean', async () => {
    for (const key of ['__proto__', 'constructor', 'prototype', '__defineGetter__']) {
      const object = `{"${key}":{"isAdmin":true,"toString":1}}`
      for (const body of [
        `{"query":"{ viewer { name } }","variables":${object}}`,
        `{"query":"{ viewer { name } }","extensions":${object}}`,
        `{"query":"{ viewer { name } }","${key}":{"isAdmin":true}}`,
        `{"query":"query ($v: SegmentFilter) { segments(filter: $v) { totalCount } }","variables":{"v":${object}}}`,
        `{"query":"mutation ($v: [JSON!]!) { upsertProfiles(input: { key: \\"id\\", profiles: $v }) { errors { code } } }","variables":{"v":[${object}]}}`,
      ]) {
        const reply = await at.send(path, { body })
        expect(reply.status).toBeLessThan(500)
        expectDiscreet(reply.text)
        expect(({} as Record<string, unknown>).isAdmin).toBeUndefined()
      }
    }
  })

  it.each([
    '2026-02-30T00:00:00Z',
    '10000-01-01T00:00:00Z',
    '+012026-01-01T00:00:00Z',
    '2026-12-31T23:59:60Z',
    '2026-11-22T24:00:00Z',
    '2026-11-22',
    '2026-11-22T00:00:00',
    '2026-W47-7',
    'now',
    '1764000000',
  ])('case 43: %j is no moment', async (value) => {
    const query = 'query ($v: DateTime) { runs(filter: { createdAfter: $v }) { totalCount } }'
    expectRefusal(await at.ask(path, { query, variables: { v: value } }), { codes: ['BAD_USER_INPUT'] })
  })

  it('case 43: a range of dates that is the wrong way round is refused', async () => {
    const query = `mutation ($v: ScheduleInput!) { it: updateSegmentMapping(input: { id: "map_x", schedule: $v }) { ${ERRORS} } }`
    for (const v of [
      { frequency: 'DAILY', startDate: '2026-11-22', endDate: '2026-11-21', startTime: '00:00' },
      { frequency: 'DAILY', startDate: '2026-02-29', startTime: '00:00' },
      { frequency: 'DAILY', startDate: '2026-11-22', startTime: '24:00' },
    ]) {
      const { body } = await at.ask(path, { query, variables: { v } })
      const codes = body.errors?.map(({ extensions }: { extensions: { code: string } }) => extensions.code)
      const refused = codes ?? body.data.it.errors.map(({ code }: { code: string }) => code)
      expect(refused.length).toBeGreaterThan(0)
    }
  })

  it('case 44: an id twice in a list has one effect', async () => {
    const { test } = at.gateway
    const dataflow = await worldOf(test, test.sandboxId).dataflow(world.destination, {
      name: `Twice ${path}`,
    })
    const segmentId = await newSegment(`Once ${path}`)
    const schedule = { frequency: 'DAILY', startDate: '2026-11-22', startTime: '06:00' }
    const query = `mutation ($id: ID!, $segments: [SegmentMappingInput!]!) { it: mapSegments(dataflowId: $id, segments: $segments) { ${ERRORS} } }`
    const one = { segmentId, schedule }
    await at.ask(path, { query, variables: { id: dataflow.id, segments: [one, one] } })
    const read = `{ dataflow(id: "${dataflow.id}") { segmentMappings { totalCount } } }`
    expect((await at.ask(path, { query: read })).body.data.dataflow.segmentMappings.totalCount).toBeLessThan(
      2,
    )
    const nodes = await at.ask(path, {
      query: `{ runs(filter: { segmentIds: ["${segmentId}", "${segmentId}"] }) { totalCount } }`,
    })
    expect(nodes.body.data.runs.totalCount).toBe(0)
  })

  it('case 46: an id of another kind, altered or malformed is the same as one that is not there', async () => {
    const absent = (
      await at.ask(path, { query: '{ segment(id: "seg_00000000000000000000000000000000") { id } }' })
    ).text
    const [segment] = world.segmentIds
    for (const id of [
      world.dataflow.id,
      `${segment}0`,
      segment?.slice(0, -1),
      segment?.toUpperCase(),
      ` ${segment}`,
      'seg_',
      '',
      '🦊',
    ]) {
      const { text } = await at.ask(path, {
        query: 'query ($id: ID!) { segment(id: $id) { id } }',
        variables: { id },
      })
      expect(text).toBe(absent)
      const { body } = await at.ask(path, {
        query: 'mutation ($id: ID!) { it: deleteSegment(id: $id) { errors { code } } }',
        variables: { id },
      })
      expect(body.data.it.errors).toEqual([{ code: 'NOT_FOUND' }])
    }
  })
})
