// A query is interpreted when it comes for the first time, and compiled when it comes again: nobody may tell by the
// answer.
import { OperationTypeNode } from 'graphql'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { compiledQueries } from '../../src/graphql/compiled.ts'
import { readDocument } from '../../src/graphql/document.ts'
import { schema } from '../../src/graphql/schema.ts'
import { type TestGateway, testGateway } from '../support/api.ts'
import { walkFields } from '../support/field-walk.ts'
import { fullDriver, fullWorld } from '../support/full-world.ts'
import { httpStore } from '../support/http-store.ts'
import { sampleArguments } from '../support/sample-arguments.ts'

let gateway: TestGateway
let full: Awaited<ReturnType<typeof fullWorld>>
let closeStore: () => Promise<void>
beforeEach(async () => {
  gateway = await testGateway({ drivers: [fullDriver] })
  const store = await httpStore('ops', 'secret')
  closeStore = store.close
  full = await fullWorld(gateway, store)
})
afterEach(async () => {
  await gateway.dispose()
  await closeStore()
})

const VOLATILE = ['remaining', 'requestId', 'rowsPerSecond', 'estimatedCompletionAt']

/** What an answer says, without what differs from one second to the next. */
const plain = (answer: object) => {
  const { headers: _, ...said } = answer as { headers?: unknown }
  const text = JSON.stringify(said, (key, value) => (VOLATILE.includes(key) ? 0 : value))
  return JSON.parse(text)
}
const twice = async (query: string, variables = {}) => {
  const interpreted = plain(await gateway.ask(query, variables))
  const compiled = plain(await gateway.ask(query, variables))
  expect(compiled, query).toEqual(interpreted)
  return compiled
}

describe('compiled queries', () => {
  it('answer every field of the schema as the interpreter does', { timeout: 60_000 }, async () => {
    let queries = 0
    await walkFields({
      schema,
      ids: full.ids,
      args: sampleArguments(gateway, full),
      ask: async (kind, operation) => {
        if (kind !== OperationTypeNode.QUERY) return { data: null }
        queries += 1
        return twice(operation)
      },
    })
    expect(queries).toBeGreaterThan(200)
  })

  it.each([
    [
      'fragments and aliases',
      '{ segments { ...p } again: segments { ...p } } fragment p on SegmentConnection { edges { cursor node { id ... on Node { id } n: name } } nodes { __typename id } }',
    ],
    [
      'interfaces',
      'query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Run { status dataflow { name } } ... on Segment { name } } }',
    ],
    [
      'conditions',
      'query ($yes: Boolean!, $no: Boolean!) { viewer { name @include(if: $yes) roles @skip(if: $yes) sandbox @include(if: $no) { id } } segments @skip(if: $no) { totalCount } }',
    ],
    ['a size that is refused', '{ segments(first: 0) { totalCount } viewer { name } }'],
    [
      'a size that is refused, below others',
      '{ destinations {\n  nodes { id\r\n    dataflows(first: 0) { totalCount } } } }',
    ],
    ['a cursor of another list', '{ segments(after: "x") { nodes { id } } destination(id: "x") { id } }'],
    [
      'defaults',
      'query ($first: Int = 1, $order: SegmentOrder = { field: NAME, direction: DESC }) { segments(first: $first, orderBy: $order) { nodes { name } pageInfo { hasNextPage endCursor } } }',
    ],
    [
      'an input with exactly one field',
      'query ($rule: SegmentRuleInput!) { previewSegment(rule: $rule) { profileCount sample } }',
    ],
    ['names of the prototype', '{ constructor: viewer { toString: name } __proto__: viewer { name } }'],
    ['a moment', 'query ($at: DateTime) { segments(filter: { updatedSince: $at }) { totalCount } }'],
  ])('and so do %s', async (_, query) => {
    const variables = {
      ids: [full.ids.Run, full.ids.Segment, 'x'],
      yes: true,
      no: false,
      rule: { attribute: { path: 'email', operator: 'EXISTS' } },
      at: '2020-01-01T00:00:00Z',
    }
    const known = Object.fromEntries(Object.entries(variables).filter(([name]) => query.includes(`$${name}`)))
    await twice(query, known)
  })

  it.each([
    ['a number for a text', 'query ($v: Int) { segments(first: $v) { totalCount } }', '1'],
    ['a fraction', 'query ($v: Int) { segments(first: $v) { totalCount } }', 1.5],
    ['null where none may be', 'query ($v: ID!) { segment(id: $v) { id } }', null],
    [
      'an enum that is none',
      'query ($v: [SegmentStatus!]) { segments(filter: { status: $v }) { totalCount } }',
      ['NONE'],
    ],
    [
      'a moment that is none',
      'query ($v: DateTime) { segments(filter: { updatedSince: $v }) { totalCount } }',
      'x',
    ],
    [
      'an object where a text belongs',
      'query ($v: String) { segments(filter: { search: $v }) { totalCount } }',
      {},
    ],
    [
      'two fields where one must be',
      'query ($v: SegmentRuleInput!) { previewSegment(rule: $v) { profileCount } }',
      { all: [], any: [] },
    ],
    [
      'a field that is none',
      'query ($v: SegmentFilter) { segments(filter: $v) { totalCount } }',
      { none: 1 },
    ],
  ])('refuse %s in the same words', async (_, query, v) => {
    const answer = await twice(query, { v })
    expect(answer.errors[0].extensions.code).toBe('BAD_USER_INPUT')
  })

  it('begin with the second time', async () => {
    const { answer } = compiledQueries()
    const read = readDocument('{ guardrails { maxPageSize } }', 12)
    const asked = { schema, document: read.document, contextValue: { parts: gateway.parts } }
    expect(answer(asked, read)).toBeNull()
    expect(await answer(asked, read)).toEqual({ data: { guardrails: { maxPageSize: 100 } } })
  })

  it('are never mutations, introspection, or what would reach a prototype', () => {
    const { answer } = compiledQueries()
    for (const query of [
      'mutation { evaluateSegments { job { id } } }',
      '{ __schema { types { name } } }',
      '{ __proto__: guardrails { maxPageSize } }',
    ]) {
      const read = readDocument(query, 12)
      const asked = { schema, document: read.document, contextValue: { parts: gateway.parts } }
      expect([answer(asked, read), answer(asked, read), answer(asked, read)]).toEqual([null, null, null])
    }
  })
})
