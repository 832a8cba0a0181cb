import { describe, expect, it } from 'vitest'
import { attacks } from '../support/attacks.ts'
import { expectRefusal, underAttack } from '../support/under-attack.ts'
import { ways } from '../support/ways.ts'

const at = underAttack()
const LONGEST_REFUSAL_MS = 1_000

describe.each(ways)('a document, $name', ({ path }) => {
  it.each(attacks)('case $case: of $name is refused', async ({ query, variables, codes }) => {
    const started = performance.now()
    const reply = await at.ask(path, { query, variables })
    expect(performance.now() - started).toBeLessThan(LONGEST_REFUSAL_MS)
    expectRefusal(reply, { codes })
    expect(reply.body.data ?? null).toBeNull()
  })

  it('case 19: in an array is refused', async () => {
    const one = { query: '{ __typename }' }
    expectRefusal(await at.ask(path, [one]), { status: 400, codes: ['BAD_REQUEST'] })
    expectRefusal(await at.ask(path, Array(1_000).fill(one)), { status: 400, codes: ['BAD_REQUEST'] })
  })

  it.each([
    '',
    '*/*',
    'application/json',
    'application/graphql-response+json',
    'multipart/mixed, application/json',
  ])('case 31: of a subscription that accepts %j is 406 at once', async (accept) => {
    const reply = await at.ask(path, { query: 'subscription { runEvents(runId: "x") { type } }' }, { accept })
    expectRefusal(reply, { status: 406, codes: ['NOT_ACCEPTABLE'] })
  })

  it('case 31: that nobody would read the answer of is not executed', async () => {
    const query = 'mutation { evaluateSegments { job { id } } }'
    for (const accept of ['image/png', 'text/html', 'application/xml;q=1']) {
      expectRefusal(await at.ask(path, { query }, { accept }), { status: 406, codes: ['NOT_ACCEPTABLE'] })
    }
    const { database } = at.gateway.test
    expect(await database.db.select().from(database.tables.segmentationJobs)).toEqual([])
  })

  it('case 34: whose input may nest without end holds nobody up, however often it comes', async () => {
    const started = performance.now()
    for (let time = 0; time < 6; time += 1) {
      const query = `query Rule${time % 2}($rule: SegmentRuleInput!) { previewSegment(rule: $rule) { profileCount } }`
      const variables = { rule: { attribute: { path: 'email', operator: 'EXISTS' } } }
      const { body } = await at.ask(path, { query, variables })
      expect(body.data).toEqual({ previewSegment: { profileCount: 0 } })
    }
    expect(performance.now() - started).toBeLessThan(LONGEST_REFUSAL_MS)
  })

  it('case 32: with names like those of every object is an ordinary one', async () => {
    const query = `query constructor($__proto__: Boolean!, $toString: Boolean = true) {
      __proto__: viewer { constructor: name @include(if: $toString) ...hasOwnProperty }
      hasOwnProperty: __typename @skip(if: $__proto__)
    }
    fragment hasOwnProperty on Viewer { __proto__: name valueOf: __typename }`
    const variables = '{"__proto__":false}'
    const body = `{"query":${JSON.stringify(query)},"operationName":"constructor","variables":${variables}}`
    // Interpreted the first times, compiled from then on.
    for (let time = 0; time < 4; time += 1) {
      const { text } = await at.send(path, { body })
      expect(text.replace(/,"extensions":.*$/, '}')).toBe(
        '{"data":{"__proto__":{"constructor":"admin","__proto__":"admin","valueOf":"Viewer"},"hasOwnProperty":"Query"}}',
      )
    }
    expect(({} as Record<string, unknown>).name).toBeUndefined()
    for (const operationName of ['__proto__', 'toString', 'x']) {
      expectRefusal(await at.ask(path, { query, operationName }), { codes: ['OPERATION_RESOLUTION_FAILURE'] })
    }
  })
})

it('server-sent events refuse what JSON refuses, with the same codes', async () => {
  for (const { name, query, variables, codes } of attacks) {
    const { text } = await at.ask('/graphql', { query, variables }, { accept: 'text/event-stream' })
    const [, data = ''] = /^data: (\{.*)$/m.exec(text) ?? []
    expect(codes, name).toContain(JSON.parse(data).errors[0].extensions.code)
    expect(data).not.toContain('"http"')
  }
})

it('both ways answer every attack with the same bytes', async () => {
  const [short, yoga] = ways
  for (const { name, query, variables } of attacks) {
    for (const accept of ['application/json', 'application/graphql-response+json']) {
      const one = await at.ask(short.path, { query, variables }, { accept })
      const other = await at.ask(yoga.path, { query, variables }, { accept })
      expect([one.status, one.text], name).toEqual([other.status, other.text])
      expect(Object.keys(Object.fromEntries(one.headers)).sort()).toEqual(
        expect.arrayContaining(['cache-control', 'content-security-policy', 'content-type']),
      )
    }
  }
})
