import { afterAll, beforeAll, expect, it } from 'vitest'
import { type TestGateway, testGateway } from '../support/api.ts'
import { aQueuedRun } from '../support/export-scene.ts'
import { ways } from '../support/ways.ts'
import { admitted } from '../support/ws-client.ts'

let gateway: TestGateway
let url = ''
beforeAll(async () => {
  gateway = await testGateway()
  url = await gateway.serve()
})
afterAll(() => gateway.dispose())

async function ask(path: string, query: string) {
  const headers = { authorization: `Bearer ${gateway.admin}`, 'content-type': 'application/json' }
  const response = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify({ query }) })
  return response.json()
}
const cost = (requestedQueryCost: number) => ({ requestedQueryCost, maximumAvailable: 20_000 })
const dear = '{ segments(first: 100) { nodes { runs(first: 100) { nodes { id segment { name } } } } } }'

it.each(ways)('every operation tells what it costs, $name, each time it comes', async ({ path }) => {
  for (let time = 0; time < 4; time += 1) {
    expect((await ask(path, '{ viewer { name } }')).extensions).toEqual({ cost: cost(2) })
    // The list, and as often as it may be long: nodes is what it is long by.
    expect((await ask(path, '{ segments(first: 10) { nodes { id } } }')).extensions).toEqual({
      cost: cost(21),
    })
  }
  const failed = await ask(path, '{ segment(id: "seg_x") { id } segments(first: 0) { totalCount } }')
  expect(failed.errors).toHaveLength(1)
  expect(failed.extensions.cost.maximumAvailable).toBe(20_000)
  const write = await ask(path, 'mutation { cancelRun(id: "run_x") { errors { code } } }')
  expect(write.extensions).toEqual({ cost: cost(12) })
})

it.each(ways)('what is too dear is told by how much, $name', async ({ path }) => {
  const { errors, extensions } = await ask(path, dear)
  expect(errors[0].extensions.code).toBe('COST_LIMIT')
  expect(extensions.cost.requestedQueryCost).toBeGreaterThan(20_000)
})

it('over WebSocket too, and not with every event of a subscription', async () => {
  const client = await admitted(url, gateway.admin)
  client.subscribe('1', '{ viewer { name } }')
  client.subscribe('2', dear)
  const answer = await client.hear(({ id, type }) => id === '1' && type === 'next')
  expect(answer.payload).toEqual({ data: { viewer: { name: 'admin' } }, extensions: { cost: cost(2) } })
  const refused = await client.hear(({ id, type }) => id === '2' && type === 'next')
  expect(refused.payload.extensions.cost.requestedQueryCost).toBeGreaterThan(20_000)
  const { test } = gateway
  const run = await aQueuedRun(test, { id: test.ctx.newId('snapshot'), version: 1, count: 1 })
  client.subscribe('3', `subscription { runUpdated(filter: { ids: ["${run.id}"] }) { id } }`)
  const event = await client.hear(({ id, type }) => id === '3' && type === 'next')
  expect(event.payload).toEqual({ data: { runUpdated: { id: run.id } } })
})
