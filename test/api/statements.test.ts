// How many SQL statements a document costs depends on its shape, never on how many rows it finds.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { activated, worldOf } from '../support/activation.ts'
import { type TestGateway, testGateway } from '../support/api.ts'
import { statementsOf } from '../support/statements.ts'

let gateway: TestGateway
beforeEach(async () => {
  gateway = await testGateway()
})
afterEach(() => gateway.dispose())

const MAPPINGS = `segmentMappings(first: 3) { totalCount pageInfo { hasNextPage endCursor }
  nodes { number segment { name mappings(first: 3) { totalCount edges { cursor node { id } } } } lastRun { id files { name } } } }`
const documents = [
  `{ destinations { totalCount nodes { name account { name } ${MAPPINGS}
      dataflows(first: 3) { totalCount nodes { nextRunAt ${MAPPINGS} runs(first: 3) { totalCount nodes { status } } } } } } }`,
  `{ segments { nodes { name rule { json } snapshot { profileCount } snapshots(first: 3) { totalCount nodes { profileCount } }
      mappings(first: 3) { nodes { dataflow { name destination { name } } destination { name } } }
      runs(first: 3, filter: { trigger: [AD_HOC] }) { totalCount nodes { id } } } } }`,
  `{ runs { nodes { id dataflow { name } segment { name } snapshot { profileCount } activation { orders { run { id } } } files { name }
      progress { percent } lastEventCursor rejections(first: 3, filter: { reason: [NO_CONSENT] }) { totalCount nodes { reason } } } } }`,
  `{ destinationAccounts { nodes { name destinations(first: 3) { totalCount nodes { name } } } } }`,
  `query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on Destination { dataflows { nodes { id } } } ... on Segment { runs { nodes { id } } } } }`,
]

/** Of every noun `count` more, all hanging together. */
async function grow(count: number): Promise<string[]> {
  const world = worldOf(gateway.test, gateway.test.sandboxId)
  const ids: string[] = []
  for (let index = 0; index < count; index += 1) {
    const account = await world.account({ type: 'LOCAL_DIRECTORY' })
    const destination = await world.destination({ accountId: account.id })
    ids.push(destination.id)
    for (let other = 0; other < count; other += 1) {
      const dataflow = await world.dataflow(destination)
      const segment = await world.segment()
      await world.map(dataflow, segment)
      const order = { activations: [{ dataflowId: dataflow.id, segmentIds: [segment.id] }] }
      activated(await gateway.parts.services.activation.activate(gateway.test.session, order))
      ids.push(segment.id)
    }
  }
  return ids
}

describe('a document', () => {
  it('costs as many statements for many rows as for few', async () => {
    const first = await grow(1)
    const counts = async (ids: string[]) => {
      const found: number[] = []
      for (const query of documents) {
        const variables = query.includes('$ids') ? { ids } : {}
        await gateway.data(query, variables)
        found.push((await statementsOf(() => gateway.data(query, variables))).length)
      }
      return found
    }
    const few = await counts(first)
    const many = await counts([...first, ...(await grow(4))])
    expect(many).toEqual(few)
  })

  it('of one list costs two: who asks, and the list', async () => {
    await grow(2)
    const ask = () => gateway.data('{ segments { nodes { name } } }')
    await ask() // once a minute the use of the token is recorded
    const seen = await statementsOf(ask)
    expect(seen.map((sql) => /from "?(\w+)/i.exec(sql)?.[1])).toEqual(['api_tokens', 'segments'])
  })

  it('reads no more of a row than it shows', async () => {
    const seen = await statementsOf(() => gateway.data('{ segments { nodes { name } } }'))
    const list = seen.at(-1) ?? ''
    expect(list.slice(0, list.indexOf(' from '))).toBe('select "segments"."name"')
  })
})
