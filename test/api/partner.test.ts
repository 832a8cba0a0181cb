// A partner among other destinations of its sandbox: what it finds, and that the rest looks like nothing.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { activated, aWorld } from '../support/activation.ts'
import { type TestGateway, type Tree, testGateway } from '../support/api.ts'
import { admitted } from '../support/ws-client.ts'

type World = Awaited<ReturnType<typeof world>>

let gateway: TestGateway
let partner: string
/** Hangs on the partner's destination, and on somebody else's. */
let own: World
let other: World

async function world() {
  const { test, parts } = gateway
  const made = await aWorld(test, { segments: 2 })
  const { dataflow, destination, segmentIds } = made
  const account = await made.account()
  const job = await parts.services.segment.evaluate(test.session, segmentIds).catch(() => null)
  const request = { activations: [{ dataflowId: dataflow.id, segmentIds }] }
  const { activation, runs } = activated(await parts.services.activation.activate(test.session, request))
  const rows = await test.database.db.select().from(test.database.tables.segmentMappings)
  const mappings = rows.filter(({ destinationId }) => destinationId === destination.id)
  return { ...made, account, job, activation, runs, mappings }
}

beforeAll(async () => {
  gateway = await testGateway()
  own = await world()
  other = await world()
  // A segment of the partner's goes to somebody else too.
  await other.map(other.dataflow, own.segments[0]!)
  partner = await gateway.token(['PARTNER'], { destinationIds: [own.destination.id] })
})
afterAll(() => gateway.dispose())

/** What a partner is told, with every id that it knows already left out. */
async function told(query: string, variables: Record<string, unknown>): Promise<string> {
  const { status, data, errors } = await gateway.ask(query, variables, { token: partner })
  const known = Object.values(variables).flat().map(String)
  return known.reduce((text, id) => text.replaceAll(id, 'ID'), JSON.stringify({ status, data, errors }))
}
const never = (id: string) => `${id.slice(0, id.indexOf('_'))}_${'0'.repeat(32)}`

const MAPPING =
  'id number elementName elementDescription elementStatus activatedAt adHocAllowedFrom createdAt updatedAt schedule { startDate endDate } segment { id number name description status createdAt updatedAt } dataflow { id name description state destination { id } } destination { id number } lastRun { id trigger status createdAt startedAt completedAt segment { id } dataflow { id } }'

describe('a partner', () => {
  it('reads the metadata of the mappings of its own destination', async () => {
    const query = `query ($id: ID!) { destination(id: $id) { id number name description status type { name title } segmentMappings(first: 10) { totalCount nodes { ${MAPPING} } edges { cursor node { id } } pageInfo { endCursor } } } viewer { roles sandbox { name } destinations { totalCount nodes { id } } } destinations { totalCount nodes { id } } guardrails { maxPageSize } sandboxes { name } }`
    const data = await gateway.data(query, { id: own.destination.id }, { token: partner })
    const { nodes, totalCount } = data.destination.segmentMappings
    expect(totalCount).toBe(2)
    expect(nodes.map((one: Tree) => [one.id, one.segment.id, one.dataflow.id, one.lastRun.id])).toEqual(
      own.mappings.map(({ id, segmentId }) => [
        id,
        segmentId,
        own.dataflow.id,
        own.runs.find((run) => run.segmentId === segmentId)?.id,
      ]),
    )
    const mine = { totalCount: 1, nodes: [{ id: own.destination.id }] }
    expect(data.destinations).toEqual(mine)
    expect(data.viewer).toEqual({ roles: ['PARTNER'], sandbox: { name: 'prod' }, destinations: mine })
    expect(data.sandboxes).toEqual([{ name: 'prod' }])
  })

  it('finds again by its id whatever it was shown', async () => {
    const shown = [
      ['Destination', own.destination.id],
      ['Dataflow', own.dataflow.id],
      ['SegmentMapping', own.mappings[0]!.id],
      ['Segment', own.segmentIds[0]],
      ['Run', own.runs[0]!.id],
      ['Sandbox', gateway.test.sandboxId],
    ]
    const query = 'query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }'
    const { nodes } = await gateway.data(query, { ids: shown.map(([, id]) => id) }, { token: partner })
    expect(nodes).toEqual(shown.map(([__typename, id]) => ({ __typename, id })))
    for (const root of ['destination', 'dataflow', 'segment', 'run']) {
      const id = shown.find(([type]) => type?.toLowerCase() === root)?.[1]
      const { found } = await gateway.data(
        `query ($id: ID!) { found: ${root}(id: $id) { id } }`,
        { id },
        { token: partner },
      )
      expect(found).toEqual({ id })
    }
  })

  it('is answered about what is not its own exactly as about what never was', async () => {
    const { account, activation, dataflow, destination, mappings, runs, segments } = other
    const hidden = [
      account.id,
      activation.id,
      dataflow.id,
      destination.id,
      mappings[0]!.id,
      runs[0]!.id,
      segments[0]!.id,
      // Not for a partner, even where they hang on its own destination.
      own.account.id,
      own.activation.id,
      own.segments[0]!.snapshotId!,
      own.job!.id,
      (await gateway.parts.services.token.list(gateway.test.session))[0]!.id,
    ]
    const queries = [
      'query ($id: ID!) { node(id: $id) { __typename id } }',
      'query ($id: ID!) { nodes(ids: [$id, $id]) { id ... on Segment { name } ... on Run { status } } }',
      'query ($id: ID!) { destination(id: $id) { name segmentMappings { totalCount } } }',
      'query ($id: ID!) { a: destination(id: $id) { id } b: segment(id: $id) { id } c: dataflow(id: $id) { id } d: run(id: $id) { id } }',
      'query ($id: ID!) { destinations(filter: { ids: [$id] }) { totalCount nodes { id } } }',
    ]
    for (const id of hidden) {
      for (const query of queries) {
        expect(await told(query, { id }), `${query} ${id}`).toBe(await told(query, { id: never(id) }))
      }
    }
  })

  it('learns nothing from searching, filtering and ordering its list of destinations', async () => {
    const query =
      'query ($filter: DestinationFilter) { destinations(filter: $filter, orderBy: { field: NAME, direction: DESC }, last: 5) { totalCount nodes { id } pageInfo { hasNextPage hasPreviousPage } } }'
    for (const filter of [{}, { search: 'Files' }, { type: ['LOCAL_DIRECTORY'] }, { status: ['ENABLED'] }]) {
      const { destinations } = await gateway.data(query, { filter }, { token: partner })
      expect(destinations).toEqual({
        totalCount: 1,
        nodes: [{ id: own.destination.id }],
        pageInfo: { hasNextPage: false, hasPreviousPage: false },
      })
    }
  })

  it('is refused a field that is not for it before anything is looked up, and told where it stands', async () => {
    const refused = [
      'destination(id: $id) { settings }',
      'destination(id: $id) { account { id } }',
      'destination(id: $id) { dataflows { totalCount } }',
      'segment(id: $id) { rule { json } }',
      'segment(id: $id) { snapshot { profileCount } }',
      'run(id: $id) { progress { exported } }',
      'node(id: $id) { ... on Segment { mappings { totalCount } } }',
      'node(id: $id) { ...F } } fragment F on DestinationAccount { id',
      'node(id: $id) @skip(if: true) { ... on ApiToken { id } }',
      'segments(filter: { ids: [$id] }) { totalCount }',
      'runs(filter: { segmentIds: [$id] }) { totalCount }',
    ]
    for (const selection of refused) {
      const query = `query ($id: ID!) { ${selection} }`
      const answers = []
      for (const { id } of [own.destination, own.segments[0]!, other.segments[0]!, { id: never('seg_') }]) {
        answers.push(await told(query, { id }))
      }
      expect(new Set(answers).size, selection).toBe(1)
      const { status, data, errors } = JSON.parse(answers[0]!)
      expect({ status, data }).toEqual({ status: 403 })
      expect(errors[0].extensions.code).toBe('FORBIDDEN')
      expect(errors[0].locations[0].line).toBe(1)
    }
  })

  it('is told the same over WebSocket', async () => {
    const client = await admitted(await gateway.serve(), partner)
    const ids = { id: own.destination.id, other: other.destination.id }
    client.subscribe('1', 'query ($id: ID!) { destination(id: $id) { settings } }', ids)
    client.subscribe(
      '2',
      'query ($id: ID!, $other: ID!) { a: node(id: $id) { id } b: node(id: $other) { id } }',
      ids,
    )
    client.subscribe(
      '3',
      'subscription ($other: ID!) { segmentMappingChanged(destinationId: $other) { at } }',
      ids,
    )
    client.subscribe('4', 'subscription { runUpdated { id } }')
    const refusal = async (id: string) => {
      const { payload } = await client.hear((message) => message.id === id && message.type !== 'complete')
      const [error] = Array.isArray(payload) ? payload : payload.errors
      return [error.extensions.code, error.message]
    }
    expect(await refusal('1')).toEqual(['FORBIDDEN', 'Destination.settings is not for partners.'])
    await client.hear(({ id }) => id === '2')
    expect(client.dataOf('2')).toEqual([{ a: { id: ids.id }, b: null }])
    expect(await refusal('3')).toEqual(['BAD_USER_INPUT', `There is no destination with id "${ids.other}".`])
    expect(await refusal('4')).toEqual(['FORBIDDEN', 'Subscription.runUpdated is not for partners.'])
    client.socket.terminate()
  })

  it('may run its own operation of a document that has others', async () => {
    const query = 'query Mine { viewer { name } } query Theirs { segments { totalCount } }'
    const run = async (operationName: string) => {
      const headers = { authorization: `Bearer ${partner}` }
      const response = await gateway.fetch({ headers, body: JSON.stringify({ query, operationName }) })
      return response.json()
    }
    expect(await run('Mine')).toMatchObject({ data: { viewer: { name: 'PARTNER' } } })
    expect((await run('Theirs')).errors[0].extensions.code).toBe('FORBIDDEN')
  })

  it('is named no more than five fields of a long list', async () => {
    const { errors } = await gateway.ask(
      '{ profileAttributes { path } destinationTypes { name } segments { totalCount } dataflows { totalCount } runs { totalCount } destinationAccounts { totalCount } }',
      {},
      { token: partner },
    )
    expect(errors?.map(({ message }) => message)).toEqual(
      ['profileAttributes', 'destinationTypes', 'segments', 'dataflows', 'runs'].map(
        (field) => `Query.${field} is not for partners.`,
      ),
    )
  })
})
