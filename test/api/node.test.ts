import { afterAll, beforeAll, expect, it } from 'vitest'
import { aWorld } from '../support/activation.ts'
import { type TestGateway, testGateway } from '../support/api.ts'
import { addSandbox } from '../support/database.ts'

let gateway: TestGateway
let here: Record<string, string>
let elsewhere: Record<string, string>

/** One object of each kind, by its type's name. */
async function world(sandboxId: string): Promise<Record<string, string>> {
  const { test } = gateway
  const made = await aWorld(test, { sandboxId })
  const account = await made.account()
  const { db, tables } = test.database
  const [mapping] = (await db.select().from(tables.segmentMappings)).slice(-1)
  const session = { ...test.session, sandbox: { id: sandboxId, name: 'x', title: 'x' } }
  const answer = await gateway.parts.services.activation.activate(session, {
    activations: [{ dataflowId: made.dataflow.id, segmentIds: made.segmentIds }],
  })
  if ('errors' in answer) throw new Error(JSON.stringify(answer.errors))
  const job = await gateway.parts.services.segment.evaluate(session, made.segmentIds)
  return {
    Sandbox: sandboxId,
    Segment: made.segmentIds[0]!,
    SegmentSnapshot: made.segments[0]!.snapshotId!,
    SegmentationJob: job.id,
    DestinationAccount: account.id,
    Destination: made.destination.id,
    Dataflow: made.dataflow.id,
    SegmentMapping: mapping!.id,
    Activation: answer.activation.id,
    Run: answer.runs[0]!.id,
  }
}

beforeAll(async () => {
  gateway = await testGateway()
  here = await world(gateway.test.sandboxId)
  const other = await addSandbox(gateway.test.database, 'other')
  elsewhere = await world(other.id)
})
afterAll(() => gateway.dispose())

const NODES = 'query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }'

it('finds every kind of object by its id alone', async () => {
  const ids = Object.values(here)
  const { nodes } = await gateway.data(NODES, { ids })
  expect(nodes).toEqual(Object.entries(here).map(([__typename, id]) => ({ __typename, id })))
  for (const [__typename, id] of Object.entries(here)) {
    const { node } = await gateway.data('query ($id: ID!) { node(id: $id) { __typename id } }', { id })
    expect(node).toEqual({ __typename, id })
  }
})

it('answers null for what is elsewhere, exactly as for what never was', async () => {
  const { Sandbox: _, ...hidden } = elsewhere
  const absent = Object.values(hidden).map((id) => `${id.split('_')[0]}_${'0'.repeat(32)}`)
  const odd = [
    '',
    'x',
    'seg_',
    'seg_x',
    'run_\u0000',
    '\ud800',
    'x'.repeat(10_000),
    '__proto___0',
    "seg_' or 1=1--",
  ]
  const ids = [...Object.values(hidden), ...absent, ...odd]
  const { nodes } = await gateway.data(NODES, { ids })
  expect(nodes).toEqual(ids.map(() => null))
  const roots = {
    Segment: 'segment',
    SegmentationJob: 'segmentationJob',
    DestinationAccount: 'destinationAccount',
    Destination: 'destination',
    Dataflow: 'dataflow',
    Activation: 'activation',
    Run: 'run',
  }
  for (const [type, root] of Object.entries(roots)) {
    const query = `query ($id: ID!) { found: ${root}(id: $id) { id } }`
    expect((await gateway.data(query, { id: here[type] })).found.id).toBe(here[type])
    for (const id of [elsewhere[type], here.Sandbox, ...odd]) {
      expect((await gateway.data(query, { id })).found, `${root} ${id}`).toBeNull()
    }
  }
})

it('lets nobody but administrators see other sandboxes and tokens', async () => {
  const token = await gateway.token(['OPERATOR'])
  const [row] = (await gateway.parts.services.token.list(gateway.test.session)).slice(-1)
  const ids = [row!.id, elsewhere.Sandbox, here.Sandbox]
  const seen = (nodes: ({ id: string } | null)[]) => nodes.map((node) => node?.id ?? null)
  expect(seen((await gateway.data(NODES, { ids }, { token })).nodes)).toEqual([null, null, here.Sandbox])
  expect(seen((await gateway.data(NODES, { ids })).nodes)).toEqual(ids)
  expect((await gateway.data('{ sandboxes { name } }', {}, { token })).sandboxes).toEqual([{ name: 'prod' }])
  expect((await gateway.data('{ sandboxes { name } }')).sandboxes).toHaveLength(2)
})

it('refuses more than 250 ids', async () => {
  const { errors } = await gateway.ask(NODES, { ids: Array.from({ length: 251 }, (_, i) => `x${i}`) })
  expect(errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
})

it('mutations cannot tell what is elsewhere from what never was', async () => {
  const mutations: [string, string][] = [
    ['Segment', 'deleteSegment(id: $id) { errors { __typename code message } }'],
    ['Segment', 'updateSegment(input: { id: $id, name: "x" }) { errors { __typename code message } }'],
    ['Segment', 'evaluateSegments(segmentIds: [$id]) { errors { __typename code message } }'],
    [
      'Destination',
      'updateDestination(input: { id: $id, name: "x" }) { errors { __typename code message } }',
    ],
    ['Destination', 'removeDestination(id: $id) { errors { __typename code message } }'],
    ['Dataflow', 'updateDataflow(input: { id: $id, name: "x" }) { errors { __typename code message } }'],
    ['Dataflow', 'disableDataflow(id: $id) { errors { __typename code message } }'],
    [
      'Dataflow',
      'unmapSegments(dataflowId: $id, segmentIds: ["seg_x"]) { errors { __typename code message } }',
    ],
    ['Run', 'cancelRun(id: $id) { errors { __typename code message } }'],
    ['Run', 'retryRun(id: $id) { errors { __typename code message } }'],
    ['ApiToken', 'revokeApiToken(id: $id) { errors { __typename code message } }'],
  ]
  for (const [type, mutation] of mutations) {
    const there = elsewhere[type] ?? 'tok_none'
    const never = `${there.split('_')[0]}_${'0'.repeat(32)}`
    const answers = []
    for (const id of [there, never]) {
      const data = await gateway.data(`mutation ($id: ID!) { done: ${mutation} }`, { id })
      answers.push(JSON.stringify(data.done.errors).replaceAll(id, 'ID'))
    }
    expect(answers[0], mutation).toContain('NOT_FOUND')
    expect(answers[0]).toBe(answers[1])
  }
})
