import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RunEventType } from '../../src/domain/model.ts'
import { encodeLogCursor } from '../../src/storage/log-cursor.ts'
import { type TestGateway, type Tree, testGateway } from '../support/api.ts'
import { addSandbox } from '../support/database.ts'
import { aQueuedRun } from '../support/export-scene.ts'
import { happen as happenTo } from '../support/run-log.ts'
import { openStream, resultsIn } from '../support/sse-client.ts'
import { admitted } from '../support/ws-client.ts'

let gateway: TestGateway
let url: string
let runId: string
beforeEach(async () => {
  gateway = await testGateway()
  url = await gateway.serve()
  runId = (await aQueuedRun(gateway.test, { id: gateway.test.ctx.newId('snapshot'), version: 1, count: 100 }))
    .id
})
afterEach(() => gateway.dispose())

const WATCH = `subscription ($runId: ID!, $after: String) {
  runEvents(runId: $runId, after: $after) {
    cursor type status progress { total received percent rowsPerSecond } run { id status lastEventCursor } at
  }
}`

const happen = (type: RunEventType, received?: number) => happenTo(gateway.test, runId, type, received)

async function eventsOf(variables: object): Promise<Tree[]> {
  const signal = AbortSignal.timeout(10_000)
  const { chunks } = await openStream(url, { token: gateway.admin, query: WATCH, variables, signal })
  const events: Tree[] = []
  for await (const { data } of resultsIn(chunks)) events.push(data.runEvents)
  return events
}

describe('runEvents', () => {
  it('tells the story from the beginning, then live, and ends with the terminal event', async () => {
    const client = await admitted(url, gateway.admin)
    client.subscribe('1', WATCH, { runId })
    await client.hear(({ type }) => type === 'next')
    await happen('STARTED')
    await happen('PROGRESS', 50)
    await happen('SUCCEEDED', 100)
    await client.hear(({ type }) => type === 'complete')
    const events = client.dataOf('1').map(({ runEvents }) => runEvents)
    expect(events.map(({ type }) => type)).toEqual(['QUEUED', 'STARTED', 'PROGRESS', 'SUCCEEDED'])
    expect(events.map(({ progress }) => progress.percent)).toEqual([0, 0, 50, 100])
    expect(events[2].progress.rowsPerSecond).toBeGreaterThan(0)
    expect(events.at(-1)).toMatchObject({ run: { status: 'SUCCESS', lastEventCursor: events.at(-1).cursor } })
  })

  it('goes on from any cursor, over SSE as over WebSocket, without gap or repeat', async () => {
    await happen('STARTED')
    for (let received = 10; received < 100; received += 10) await happen('PROGRESS', received)
    await happen('FAILED', 90)
    const all = await eventsOf({ runId })
    expect(all).toHaveLength(12)
    const client = await admitted(url, gateway.admin)
    for (const [index, { cursor }] of all.entries()) {
      expect(await eventsOf({ runId, after: cursor })).toEqual(all.slice(index + 1))
      const id = String(index)
      client.subscribe(id, WATCH, { runId, after: cursor })
      await client.hear((message) => message.id === id && message.type === 'complete')
      expect(client.dataOf(id).map(({ runEvents }) => runEvents)).toEqual(all.slice(index + 1))
    }
  })

  it('refuses cursors that are not of the run, and runs that are not here', async () => {
    const { test } = gateway
    const other = await addSandbox(test.database, 'other')
    const hidden = await aQueuedRun({ ...test, sandboxId: other.id }, { id: 'snp_x', version: 2, count: 1 })
    const absent = `run_${'0'.repeat(32)}`
    const client = await admitted(url, gateway.admin)
    const cases: object[] = [
      { runId, after: 'garbage' },
      { runId, after: encodeLogCursor(hidden.id, 1) },
      { runId, after: encodeLogCursor(runId, 999) },
      { runId: hidden.id },
      { runId: absent },
    ]
    const messages: string[] = []
    for (const [index, variables] of cases.entries()) {
      const id = String(index)
      client.subscribe(id, WATCH, variables)
      const answer = await client.hear((message) => message.id === id && message.type !== 'complete')
      const [error] = answer.type === 'error' ? answer.payload : answer.payload.errors
      expect(error.extensions.code, JSON.stringify(variables)).toBe('BAD_USER_INPUT')
      messages.push(error.message)
    }
    expect(messages[3]?.replace(hidden.id, 'ID')).toBe(messages[4]?.replace(absent, 'ID'))
  })
})
