import { eq } from 'drizzle-orm'
import { createClient } from 'graphql-ws'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import type { Role } from '../../src/domain/model.ts'
import { type TestGateway, type Tree, testGateway } from '../support/api.ts'
import { happen } from '../support/run-log.ts'
import { openStream, resultsIn } from '../support/sse-client.ts'
import { type Watching, watching } from '../support/watching.ts'
import { admitted } from '../support/ws-client.ts'

let gateway: TestGateway
let url: string
let watched: Watching
beforeEach(async () => {
  gateway = await testGateway()
  url = await gateway.serve()
  watched = await watching(gateway)
})
afterEach(() => gateway.dispose())

const HOUR = 3_600_000
const inHours = (hours: number) => new Date(Date.now() + hours * HOUR)
const newToken = (expiresAt: Date | null = null, roles: Role[] = ['VIEWER']) =>
  gateway.parts.services.token.create(gateway.test.session, { name: 'watcher', roles, expiresAt })
/** A short-lived one, by the client's id and secret. */
async function accessToken(): Promise<string> {
  const { token, secret } = await newToken()
  const response = await fetch(`${url}/oauth/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: token.clientId,
      client_secret: secret,
    }),
  })
  const { access_token }: Tree = await response.json()
  return access_token
}

/** Opens every subscription by both transports, lets something end the right, and tells how they ended. */
async function endsOf(token: string, endRight: () => Promise<unknown>) {
  const streams = watched.subscriptions.map(async ({ query, variables }) => {
    const { chunks } = await openStream(url, { token, query, variables })
    const results: Tree[] = []
    for await (const result of resultsIn(chunks)) results.push(result)
    return results.at(-1).errors?.[0].extensions.code
  })
  const clients = await Promise.all(
    watched.subscriptions.map(async ({ query, variables }) => {
      const client = await admitted(url, token)
      client.subscribe('1', query, variables)
      await client.hear(({ type }) => type === 'next')
      return client
    }),
  )
  await expect.poll(() => gateway.parts.slots.count()).toBe(6)
  await endRight()
  const codes = await Promise.all(clients.map(({ closed }) => closed))
  // An error would tell clients that the subscription is over for good; only the closing says: come back.
  expect(clients.flatMap(({ told }) => told.filter(({ type }) => type === 'error'))).toEqual([])
  return [await Promise.all(streams), codes]
}
const ENDED = [
  ['UNAUTHENTICATED', 'UNAUTHENTICATED', 'UNAUTHENTICATED'],
  [4403, 4403, 4403],
]

it('ends every stream when its token expires', async () => {
  const { secret } = await newToken(inHours(1))
  expect(await endsOf(secret, async () => gateway.test.setTime(inHours(1)))).toEqual(ENDED)
  const { slots, sessions } = gateway.parts
  await expect.poll(() => [slots.count(), sessions.count()]).toEqual([0, 0])
})

it('ends every stream when its access token expires, though its client lives on', async () => {
  const token = await accessToken()
  expect(await endsOf(token, async () => gateway.test.setTime(inHours(2)))).toEqual(ENDED)
})

it('ends every stream soon after its token was revoked, by another process even', async () => {
  const { secret, token } = await newToken()
  const { apiTokens } = gateway.test.database.tables
  const revoke = () =>
    gateway.test.database.batch([
      gateway.test.database.db
        .update(apiTokens)
        .set({ revokedAt: new Date() })
        .where(eq(apiTokens.id, token.id)),
    ])
  expect(await endsOf(secret, revoke)).toEqual(ENDED)
})

it('asks about a token once, however many streams it has, and leaves others alone', async () => {
  const { token } = gateway.parts.services
  const asked: string[][] = []
  const { endedAmong } = token
  token.endedAmong = (ids) => {
    asked.push([...ids])
    return endedAmong(ids)
  }
  const { secret } = await newToken()
  const clients = await Promise.all(Array.from({ length: 20 }, () => admitted(url, secret)))
  const other = await admitted(url, (await newToken(inHours(1))).secret)
  const [first] = watched.subscriptions
  for (const client of [...clients, other]) client.subscribe('1', first!.query, first!.variables)
  await expect.poll(() => asked.length, { timeout: 5_000 }).toBeGreaterThan(0)
  expect(asked.at(-1)).toHaveLength(2)
  gateway.test.setTime(inHours(1))
  expect(await other.closed).toBe(4403)
  expect(gateway.parts.sessions.count()).toBe(20)
})

it('lets a client come back with a new token and see the rest', async () => {
  const first = await newToken(inHours(1))
  const second = await newToken(inHours(9))
  const tokens = [first.secret, second.secret]
  const closed: number[] = []
  const client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    retryWait: () => new Promise((resolve) => setTimeout(resolve, 10)),
    connectionParams: () => ({ authorization: `Bearer ${tokens.shift()}` }),
    on: { closed: (event) => closed.push((event as CloseEvent).code) },
  })
  const [{ query }] = watched.subscriptions as [Watching['subscriptions'][0]]
  const heard: string[] = []
  for await (const { data } of client.iterate<Tree>({ query, variables: { id: watched.runId } })) {
    heard.push(data.runEvents.type)
    if (heard.length === 1) gateway.test.setTime(inHours(1))
    if (heard.length === 2) await happen(gateway.test, watched.runId, 'SUCCEEDED')
  }
  expect(heard).toEqual(['QUEUED', 'QUEUED', 'SUCCEEDED'])
  expect(closed[0]).toBe(4403)
  await client.dispose()
})
