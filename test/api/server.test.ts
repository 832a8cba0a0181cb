import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { httpServer } from '../../src/http/server.ts'
import { type TestGateway, testGateway } from '../support/api.ts'
import { aQueuedRun } from '../support/export-scene.ts'

let gateway: TestGateway
let url: string
beforeEach(async () => {
  gateway = await testGateway()
  url = await gateway.serve()
})
afterEach(() => gateway.dispose())

const bearer = () => ({ authorization: `Bearer ${gateway.admin}` })

describe('routes', () => {
  it('tells life and readiness to everybody', async () => {
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    const ready = await fetch(`${url}/readyz`)
    expect(ready.status).toBe(200)
    expect(await ready.json()).toEqual({
      status: 'ready',
      checks: { database: true, engine: true, scheduler: true, draining: false },
      scheduler: { heartbeatAt: expect.stringMatching(/^\d{4}-.*Z$/), lagSeconds: 0 },
    })
    gateway.parts.database.ping = () => Promise.reject(new Error('gone'))
    expect((await fetch(`${url}/readyz`)).status).toBe(503)
  })

  it('serves GraphQL over the port', async () => {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { ...bearer(), 'content-type': 'application/json' },
      body: JSON.stringify({ query: '{ viewer { name } }' }),
    })
    expect(await response.json()).toMatchObject({ data: { viewer: { name: 'admin' } } })
  })

  it('ends event streams when it stops, without waiting for them', async () => {
    const snapshot = { id: gateway.test.ctx.newId('snapshot'), version: 1, count: 100 }
    const { id } = await aQueuedRun(gateway.test, snapshot)
    const server = httpServer({
      parts: gateway.parts,
      config: {
        graphiql: false,
        introspection: 'never',
        host: '127.0.0.1',
        port: 0,
        requestsPerMinute: 100,
      },
      isEngineRunning: () => true,
      scheduler: () => ({ heartbeatAt: new Date(), lagMs: 0, isAlive: true }),
    })
    const { port } = await server.start()
    const stream = await fetch(`http://127.0.0.1:${port}/graphql`, {
      method: 'POST',
      headers: { ...bearer(), 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ query: `subscription { runEvents(runId: "${id}") { cursor } }` }),
    })
    const hour = 3_600_000
    const ended = stream.text().catch(() => 'cut')
    await server.stop(hour)
    expect(await ended).toBe('cut')
  })

  it('stops reading a body that is too long', async () => {
    const endless = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(65_536).fill(32)),
    })
    const init = {
      method: 'POST',
      body: endless,
      duplex: 'half',
      headers: { ...bearer(), 'content-type': 'application/json' },
    }
    const answer = await fetch(`${url}/graphql`, init as RequestInit).then(
      ({ status }) => status,
      () => 'closed',
    )
    expect([413, 'closed']).toContain(answer)
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
  })
})

describe('POST /import', () => {
  const send = (body: string, path = '/import?key=id', headers: Record<string, string> = {}) =>
    fetch(`${url}${path}`, {
      method: 'POST',
      body,
      headers: { ...bearer(), 'content-type': 'text/csv', ...headers },
    })

  it('takes CSV and NDJSON, and lists what it could not take', async () => {
    const csv = await send('id,name\n1,Ada\n2,Bo\n,Nobody\n')
    expect(csv.status).toBe(200)
    const answer = await csv.json()
    expect(answer).toMatchObject({ inserted: 2, updated: 0, rejected: 1 })
    expect(answer.rejections).toHaveLength(1)
    const lines = '{"id":"1","name":"Ada L."}\n{"id":"3"}\nnonsense\n'
    const ndjson = await send(lines, '/import?key=id', { 'content-type': 'application/x-ndjson' })
    expect(await ndjson.json()).toMatchObject({ inserted: 1, updated: 1, rejected: 1 })
    const { profileAttributes } = await gateway.data('{ profileAttributes { path profileCount } }')
    expect(profileAttributes).toContainEqual({ path: 'name', profileCount: 2 })
  })

  it('lists at most a hundred rejections', async () => {
    const { rejected, rejections } = await (await send(`id,n\n${',1\n'.repeat(150)}`)).json()
    expect([rejected, rejections.length]).toEqual([150, 100])
  })

  it('refuses the rest', async () => {
    expect((await send('id\n1\n', '/import')).status).toBe(400)
    expect((await send('name\nx\n')).status).toBe(400)
    expect((await send('{}', undefined, { 'content-type': 'application/json' })).status).toBe(415)
    expect((await send('x', undefined, { 'content-encoding': 'gzip' })).status).toBe(415)
    expect((await fetch(`${url}/import?key=id`, { headers: bearer() })).status).toBe(405)
    const viewer = await gateway.token(['VIEWER'])
    expect((await send('id\n1\n', undefined, { authorization: `Bearer ${viewer}` })).status).toBe(403)
    expect((await send('id\n1\n', undefined, { authorization: 'Bearer x' })).status).toBe(401)
    expect(gateway.logged).toEqual([])
  })
})
