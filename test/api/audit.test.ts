import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type TestGateway, testGateway } from '../support/api.ts'
import { ways } from '../support/ways.ts'
import { admitted } from '../support/ws-client.ts'

type Line = Record<string, unknown>
let gateway: TestGateway
let url = ''
let destinationId = ''
const lines: Line[] = []
beforeAll(async () => {
  const quiet = () => {}
  const info = (fields: object) => {
    if ('audit' in fields) lines.push(fields as Line)
  }
  gateway = await testGateway({ log: { debug: quiet, info, warn: quiet, error: quiet } })
  url = await gateway.serve()
  const made = await gateway.data(
    'mutation { createDestination(input: { name: "D", type: "LOCAL_DIRECTORY", settings: { path: "d" } }) { destination { id } } }',
  )
  destinationId = made.createDestination.destination.id
})
beforeEach(() => {
  lines.length = 0
})
afterAll(() => gateway.dispose())

async function ask(path: string, query: string, { token = gateway.admin, variables = {} } = {}) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const init = { method: 'POST', headers, body: JSON.stringify({ query, variables }) }
  const response = await fetch(`${url}${path}`, init)
  return { requestId: response.headers.get('x-request-id'), ...(await response.json()) }
}
const create =
  'mutation Make($name: String!) { createSegment(input: { name: $name, rule: { attribute: { path: "email", operator: EXISTS } } }) { segment { id } } }'

describe.each(ways)('the audit, $name', ({ path }) => {
  it('has a line for what was done, by whom, and nothing of what was put in', async () => {
    const { requestId } = await ask(path, create, { variables: { name: 'canary' } })
    const by = { tokenId: expect.stringMatching(/^tok_|^cli_/), tokenName: 'admin', sandbox: 'prod' }
    const what = { operation: 'Make', mutation: 'createSegment', outcome: 'done' }
    expect(lines).toEqual([{ audit: true, ...by, ...what, requestId }])
    expect(JSON.stringify(lines)).not.toContain('canary')
  })

  it('has the codes of what stood in the way, whether the client asked for them or not', async () => {
    await ask(path, create, { variables: { name: '' } })
    await ask(
      path,
      'mutation { a: cancelRun(id: "run_x") { run { id } } b: retryRun(id: "run_x") { run { id } } }',
    )
    expect(lines.map(({ mutation, outcome }) => [mutation, outcome])).toEqual([
      ['createSegment', 'INVALID_INPUT'],
      ['cancelRun', 'NOT_FOUND'],
      ['retryRun', 'NOT_FOUND'],
    ])
  })

  it.each(['VIEWER', 'PARTNER'] as const)('cases 52 and 58: has what a %s was refused', async (role) => {
    const destinationIds = role === 'PARTNER' ? [destinationId] : undefined
    const token = await gateway.token([role], destinationIds && { destinationIds })
    for (const mutation of ['evaluateSegments', 'createSandbox']) {
      const query =
        mutation === 'evaluateSegments'
          ? 'mutation { evaluateSegments { job { id } } }'
          : 'mutation { createSandbox(input: { name: "x", title: "X" }) { errors { code } } }'
      const { errors } = await ask(path, query, { token })
      expect(errors[0].extensions.code).toBe('FORBIDDEN')
      expect(lines.splice(0)).toMatchObject([{ tokenName: role, mutation, outcome: 'FORBIDDEN' }])
    }
    expect((await ask(path, '{ viewer { name } }', { token })).data.viewer.name).toBe(role)
    expect(lines).toEqual([])
  })

  it('has the reference of a fault, which the answer and its header have too', async () => {
    const { run } = gateway.parts.services
    const { cancel } = run
    run.cancel = () => Promise.reject(new Error('secret'))
    const { requestId, errors } = await ask(path, 'mutation { cancelRun(id: "run_x") { run { id } } }')
    run.cancel = cancel
    expect(errors[0].extensions).toEqual({ code: 'INTERNAL_SERVER_ERROR', requestId })
    expect(lines).toMatchObject([{ mutation: 'cancelRun', outcome: 'INTERNAL_SERVER_ERROR', requestId }])
    expect(gateway.logged.pop()?.fields).toMatchObject({ requestId })
  })
})

it('has what came over WebSocket, each message under an id of its own', async () => {
  const client = await admitted(url, gateway.admin)
  for (const id of ['1', '2']) client.subscribe(id, 'mutation { cancelRun(id: "run_x") { run { id } } }')
  for (const id of ['1', '2']) await client.hear((message) => message.id === id && message.type === 'next')
  expect(lines).toMatchObject([{ mutation: 'cancelRun', outcome: 'NOT_FOUND' }, { mutation: 'cancelRun' }])
  expect(new Set(lines.map(({ requestId }) => requestId)).size).toBe(2)
})

it('the id of a request is never the client’s own', async () => {
  const seen = new Set<string | null>()
  for (const path of ['/graphql', '/healthz', '/nothing']) {
    const response = await fetch(`${url}${path}`, { headers: { 'x-request-id': 'mine' } })
    seen.add(response.headers.get('x-request-id'))
  }
  expect(seen.size).toBe(3)
  for (const id of seen) expect(id).toMatch(/^[0-9a-f-]{36}$/)
})
