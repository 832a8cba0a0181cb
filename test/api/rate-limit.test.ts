import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { rateLimiter } from '../../src/http/rate-limit.ts'
import { type TestGateway, testGateway } from '../support/api.ts'
import { admitted } from '../support/ws-client.ts'

const RATE = '{ viewer { rateLimit { limit remaining resetAt } } }'
const LIMIT = 5
const NOON = new Date('2026-11-22T12:00:00Z')

let gateway: TestGateway
let url: string
beforeEach(async () => {
  gateway = await testGateway({ requestsPerMinute: LIMIT })
  gateway.test.setTime(NOON)
  url = await gateway.serve()
})
afterEach(() => gateway.dispose())

const post = (query: string, token = gateway.admin, headers = {}) =>
  fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, ...headers },
    body: JSON.stringify({ query }),
  })
const told = ({ headers }: Response) =>
  ['ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset', 'retry-after'].map((name) =>
    headers.get(name),
  )

describe('the limit of a token', () => {
  it('is told by headers, and by viewer.rateLimit alike', async () => {
    gateway.test.setTime(NOON)
    expect(told(await post('{ __typename }'))).toEqual(['5', '4', '60', null])
    gateway.test.setTime(new Date(NOON.getTime() + 20_500))
    const response = await post(RATE)
    expect(told(response)).toEqual(['5', '3', '40', null])
    const { data } = await response.json()
    expect(data.viewer.rateLimit).toEqual({ limit: 5, remaining: 3, resetAt: '2026-11-22T12:01:00.000Z' })
  })

  it('is told with every kind of answer', async () => {
    const answers = [
      await post('{ nonsense }'),
      await post('{ viewer { name } }', gateway.admin, { accept: 'application/graphql-response+json' }),
      await post('{ viewer { name } }', gateway.admin, { accept: 'text/event-stream' }),
      await fetch(`${url}/graphql?query={__typename}`, {
        headers: { authorization: `Bearer ${gateway.admin}`, 'graphql-require-preflight': '1' },
      }),
      await post('{', gateway.admin),
    ]
    expect(answers.map((answer) => told(answer)[1])).toEqual(['4', '3', '2', '1', '0'])
    for (const answer of answers) await answer.text()
  })

  it('once passed is answered with 429 and Retry-After, and the next minute serves again', async () => {
    for (let request = 0; request < LIMIT; request += 1) expect((await post(RATE)).status).toBe(200)
    gateway.test.setTime(new Date(NOON.getTime() + 59_000))
    const refused = await post(RATE)
    expect(refused.status).toBe(429)
    expect(told(refused)).toEqual(['5', '0', '1', '1'])
    expect((await refused.json()).errors[0].extensions.code).toBe('RATE_LIMITED')
    expect((await post(RATE, await gateway.token(['VIEWER']))).status).toBe(200)
    gateway.test.setTime(new Date(NOON.getTime() + 60_000))
    expect((await post(RATE)).status).toBe(200)
  })

  it('counts the operations of a WebSocket one by one, with those over HTTP', async () => {
    const client = await admitted(url, gateway.admin)
    for (const id of ['1', '2', '3']) {
      client.subscribe(id, RATE)
      await client.hear((message) => message.id === id && message.type === 'complete')
    }
    expect(client.dataOf('3')[0].viewer.rateLimit.remaining).toBe(1)
    expect(told(await post(RATE))[1]).toBe('0')
    client.subscribe('4', RATE)
    const { payload } = await client.hear(({ type }) => type === 'error')
    expect(payload[0].extensions.code).toBe('RATE_LIMITED')
    gateway.test.setTime(new Date(NOON.getTime() + 60_000))
    client.subscribe('5', RATE)
    await client.hear((message) => message.id === '5' && message.type === 'next')
    client.socket.terminate()
  })
})

describe('the operations of a WebSocket', () => {
  it('end with the token: the next one closes the socket', async () => {
    const token = await gateway.token(['VIEWER'])
    const client = await admitted(url, token)
    const { services } = gateway.parts
    const all = await services.token.list(gateway.test.session)
    await services.token.revoke(gateway.test.session, all.find(({ name }) => name === 'VIEWER')?.id ?? '')
    client.subscribe('1', RATE)
    expect(await client.closed).toBe(4403)
    expect(client.dataOf('1')).toEqual([])
  })
})

describe('a limiter', () => {
  it('locks nobody out because the clock was set back', () => {
    let now = NOON
    const limiter = rateLimiter({ limit: 1, windowMs: 60_000, clock: () => now })
    const isAllowed = () => limiter.take('a').isAllowed
    expect([isAllowed(), isAllowed()]).toEqual([true, false])
    now = new Date(NOON.getTime() - 3_600_000)
    expect([isAllowed(), isAllowed()]).toEqual([true, false])
    expect(limiter.take('b')).toMatchObject({ secondsLeft: 60 })
  })

  it('remembers 10,000 keys, and lets the rest share one place', () => {
    const limiter = rateLimiter({ limit: 2, windowMs: 1000, clock: () => NOON })
    for (let key = 0; key < 10_000; key += 1) limiter.take(`key${key}`)
    const isAllowed = (key: string) => limiter.take(key).isAllowed
    expect(['new1', 'new2', 'new3'].map(isAllowed)).toEqual([true, true, false])
    expect(['key0', 'key0', 'key9999'].map(isAllowed)).toEqual([true, false, true])
  })
})
