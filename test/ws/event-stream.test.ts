import { execFile } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import { connect } from 'node:net'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { appendEvent } from '../../src/storage/run-event.ts'
import { type TestGateway, testGateway } from '../support/api.ts'
import { aQueuedRun } from '../support/export-scene.ts'
import { happen } from '../support/run-log.ts'
import { eventsIn, openStream, resultsIn } from '../support/sse-client.ts'

const KEEP_ALIVE_MS = 50
let gateway: TestGateway
let url: string
let runId: string
beforeEach(async () => {
  gateway = await testGateway({ config: { keepAliveMs: KEEP_ALIVE_MS } })
  url = await gateway.serve()
  runId = (await aQueuedRun(gateway.test, { id: 'snp_x', version: 1, count: 100 })).id
})
afterEach(() => gateway.dispose())

const WATCH = 'subscription ($runId: ID!) { runEvents(runId: $runId) { type message } }'
const open = (signal?: AbortSignal) =>
  openStream(url, { token: gateway.admin, query: WATCH, variables: { runId }, ...(signal && { signal }) })

it('says that a quiet stream lives, in events that clients can see', async () => {
  const left = new AbortController()
  const { headers, chunks } = await open(left.signal)
  expect(Object.fromEntries(headers)).toMatchObject({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  })
  const events: string[] = []
  for await (const { type, data } of eventsIn(chunks)) {
    events.push(type === 'next' ? JSON.parse(data).data.runEvents.type : `${type} ${JSON.stringify(data)}`)
    if (events.length === 3) await happen(gateway.test, runId, 'STARTED')
    if (events.includes('STARTED') && events.at(-1) !== 'STARTED') break
  }
  left.abort()
  expect(events.slice(0, 3)).toEqual(['QUEUED', 'message ""', 'message ""'])
  expect(new Set(events.slice(3))).toEqual(new Set(['STARTED', 'message ""']))
})

it("is understood by a browser's EventSource, which sees the keep-alives and the end", async () => {
  // What a page has in front of it: somebody who adds the token.
  const proxy = http.createServer((req, res) => {
    const headers = { ...req.headers, authorization: `Bearer ${gateway.admin}` }
    const passed = http.request(`${url}${req.url}`, { headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 0, answer.headers)
      answer.pipe(res)
    })
    passed.end()
    res.once('close', () => passed.destroy())
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const address = proxy.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const parameters = new URLSearchParams({ query: WATCH, variables: JSON.stringify({ runId }) })
  const page = `
    const source = new EventSource('http://127.0.0.1:${port}/graphql?${parameters}')
    const heard = []
    source.onmessage = ({ data }) => heard.push(['message', data])
    source.onerror = () => process.exit(1)
    source.addEventListener('next', ({ data }) => heard.push(['next', JSON.parse(data).data.runEvents.type]))
    source.addEventListener('complete', () => {
      source.close()
      console.log(JSON.stringify(heard))
    })`
  try {
    const browser = promisify(execFile)(process.execPath, ['--experimental-eventsource', '-e', page])
    await vi.waitFor(() => expect(gateway.parts.slots.count()).toBe(1), { timeout: 10_000 })
    await new Promise((resolve) => setTimeout(resolve, 3 * KEEP_ALIVE_MS))
    await happen(gateway.test, runId, 'SUCCEEDED')
    const heard: string[][] = JSON.parse((await browser).stdout)
    expect(heard.filter(([type]) => type === 'next').map(([, data]) => data)).toEqual(['QUEUED', 'SUCCEEDED'])
    expect(heard.filter(([type]) => type === 'message').length).toBeGreaterThan(0)
    expect(heard.filter(([type, data]) => type === 'message' && data !== '')).toEqual([])
  } finally {
    proxy.close()
  }
})

it('keeps nothing for a reader that takes nothing, and lets it go in the end', async () => {
  const { database } = gateway.test
  const { runs } = database.tables
  const large = 'x'.repeat(100_000)
  for (let seq = 2; seq <= 300; seq += 1) {
    await database.batch([
      database.db.update(runs).set({ eventSeq: seq }),
      ...appendEvent(database, { runId, type: 'PROGRESS', message: large, at: new Date() }),
    ])
  }
  let pulled = 0
  const { events } = gateway.parts.feed
  gateway.parts.feed.events = async function* (...args) {
    for await (const event of events(...args)) {
      pulled += 1
      yield event
    }
  }
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.pause()
  const body = JSON.stringify({ query: WATCH, variables: { runId } })
  socket.write(
    `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\nAuthorization: Bearer ${gateway.admin}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  )
  await vi.waitFor(() => expect(gateway.parts.slots.count()).toBe(1))
  await vi.waitFor(() => expect(gateway.parts.slots.count()).toBe(0), { timeout: 20_000 })
  // What the system's own buffers took, and no more.
  expect(pulled).toBeLessThan(250)
  socket.destroy()
  const { chunks } = await open(AbortSignal.timeout(10_000))
  expect((await resultsIn(chunks).next()).value.data.runEvents.type).toBe('QUEUED')
})
