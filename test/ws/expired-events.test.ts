// What a watcher is told whose place in the story is among what the clean-up took away.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { encodeLogCursor } from '../../src/storage/log-cursor.ts'
import { retentionStore } from '../../src/storage/retention.ts'
import { type TestGateway, testGateway } from '../support/api.ts'
import { aQueuedRun } from '../support/export-scene.ts'
import { happen } from '../support/run-log.ts'
import { openStream, resultsIn } from '../support/sse-client.ts'
import { admitted } from '../support/ws-client.ts'

let gateway: TestGateway
let url: string
let runId: string
beforeEach(async () => {
  gateway = await testGateway()
  url = await gateway.serve()
  runId = (await aQueuedRun(gateway.test, { id: 'snp_x', version: 1, count: 100 })).id
  for (const type of ['STARTED', 'PROGRESS', 'SUCCEEDED'] as const) await happen(gateway.test, runId, type)
  const { database } = gateway.test
  await database.batch([retentionStore(database).deleteEvents([runId], 2)]) // QUEUED and STARTED are gone
})
afterEach(() => gateway.dispose())

const WATCH =
  'subscription ($runId: ID!, $after: String) { runEvents(runId: $runId, after: $after) { type cursor } }'
/** The types that are told, and the error that ends it. */
const overSse = async (after: string | null) => {
  const signal = AbortSignal.timeout(10_000)
  const variables = { runId, after }
  const { chunks } = await openStream(url, { token: gateway.admin, query: WATCH, variables, signal })
  const told: unknown[] = []
  for await (const { data, errors } of resultsIn(chunks)) told.push(errors?.[0] ?? data.runEvents.type)
  return told
}
const overWebSocket = async (after: string | null) => {
  const client = await admitted(url, gateway.admin)
  client.subscribe('1', WATCH, { runId, after })
  const end = await client.hear(({ type }) => type === 'complete' || type === 'error')
  const types = client.dataOf('1').map(({ runEvents }) => runEvents.type)
  client.socket.terminate()
  return end.type === 'error' ? [...types, (end.payload as object[])[0]] : types
}

describe.each([
  ['SSE', overSse],
  ['WebSocket', overWebSocket],
])('over %s', (_, watch) => {
  it.each([0, 1])(
    'whoever stands at %i, before what has expired, is told so instead of a gap',
    async (seq) => {
      const told = await watch(seq === 0 ? null : encodeLogCursor(runId, seq))
      expect(told).toMatchObject([
        { message: expect.stringContaining('have expired'), extensions: { code: 'BAD_USER_INPUT' } },
      ])
    },
  )

  it('whoever stands after it goes on, and the end of a run is told for as long as there is the run', async () => {
    expect(await watch(encodeLogCursor(runId, 2))).toEqual(['PROGRESS', 'SUCCEEDED'])
    const { database } = gateway.test
    await database.batch([retentionStore(database).deleteEvents([runId], 100)])
    expect(await watch(encodeLogCursor(runId, 3))).toEqual(['SUCCEEDED'])
  })
})
