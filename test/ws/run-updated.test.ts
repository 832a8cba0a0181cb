import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { activated, aWorld } from '../support/activation.ts'
import { type TestGateway, type Tree, testGateway } from '../support/api.ts'
import { aQueuedRun } from '../support/export-scene.ts'
import { happen } from '../support/run-log.ts'
import { openStream, resultsIn } from '../support/sse-client.ts'
import { admitted } from '../support/ws-client.ts'

let gateway: TestGateway
let url: string
beforeEach(async () => {
  gateway = await testGateway()
  url = await gateway.serve()
})
afterEach(() => gateway.dispose())

const WATCH =
  'subscription ($filter: RunFilter) { runUpdated(filter: $filter) { id status progress { received } } }'
const snapshot = { id: 'snp_x', version: 1, count: 100 }
const shown = ({ runUpdated }: Tree) => `${runUpdated.status} ${runUpdated.progress.received}`

describe('runUpdated', () => {
  it('shows a dashboard what runs, and each change of it, over WebSocket and SSE', async () => {
    const { id } = await aQueuedRun(gateway.test, snapshot)
    await aQueuedRun(gateway.test, snapshot)
    const variables = { filter: { ids: [id] } }
    const client = await admitted(url, gateway.admin)
    client.subscribe('1', WATCH, variables)
    const left = new AbortController()
    const token = await gateway.token(['VIEWER'])
    const { chunks } = await openStream(url, { token, query: WATCH, variables, signal: left.signal })
    const results = resultsIn(chunks)
    const told = async (count: number) => {
      await client.hear(() => client.dataOf('1').length === count)
      const { value } = await results.next()
      return [shown(client.dataOf('1').at(-1)), shown(value.data)]
    }
    expect(await told(1)).toEqual(['QUEUED 0', 'QUEUED 0'])
    await happen(gateway.test, id, 'STARTED')
    expect(await told(2)).toEqual(['PROCESSING 0', 'PROCESSING 0'])
    await happen(gateway.test, id, 'SUCCEEDED', 100)
    expect(await told(3)).toEqual(['SUCCESS 100', 'SUCCESS 100'])
    left.abort()
  })

  it('shows runs from the moment they are asked for, retried and cancelled', async () => {
    const { segmentIds, dataflow } = await aWorld(gateway.test)
    const { activation, run } = gateway.parts.services
    const { session } = gateway.test
    const client = await admitted(url, gateway.admin)
    client.subscribe('1', WATCH)
    const request = { activations: [{ dataflowId: dataflow.id, segmentIds }] }
    const [first] = activated(await activation.activate(session, request)).runs
    await client.hear(() => client.dataOf('1').length === 1)
    await run.cancel(session, first!.id)
    await client.hear(() => client.dataOf('1').length === 2)
    const again = await run.retry(session, first!.id)
    await client.hear(() => client.dataOf('1').length === 3)
    const states = client.dataOf('1').map(({ runUpdated }) => [runUpdated.id, runUpdated.status])
    expect(states).toEqual([
      [first!.id, 'QUEUED'],
      [first!.id, 'CANCELLED'],
      [again.id, 'QUEUED'],
    ])
  })

  it('refuses partners, and filters that are too long', async () => {
    const { destination } = await aWorld(gateway.test)
    const partner = await gateway.token(['PARTNER'], { destinationIds: [destination.id] })
    const refused = async (token: string, variables: object) => {
      const client = await admitted(url, token)
      client.subscribe('1', WATCH, variables)
      const { type, payload } = await client.hear(({ id }) => id === '1')
      return (type === 'error' ? payload : payload.errors)[0].extensions.code
    }
    expect(await refused(partner, {})).toBe('FORBIDDEN')
    const ids = Array.from({ length: 251 }, (_, index) => `run_${index}`)
    expect(await refused(gateway.admin, { filter: { ids } })).toBe('BAD_USER_INPUT')
  })
})
