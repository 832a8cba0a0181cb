import { once } from 'node:events'
import http from 'node:http'
import { json } from 'node:stream/consumers'
import fc from 'fast-check'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Role } from '../../src/domain/model.ts'
import { type TestGateway, testGateway } from '../support/api.ts'

let gateway: TestGateway
let url: string
let client: { id: string; secret: string }
beforeEach(async () => {
  gateway = await testGateway()
  url = await gateway.serve()
  client = await newClient(['OPERATOR'])
})
afterEach(() => gateway.dispose())

async function newClient(roles: Role[]) {
  const { token, secret } = await gateway.parts.services.token.create(gateway.test.session, {
    name: roles.join(),
    roles,
  })
  return { id: token.clientId, secret }
}
const basic = ({ id, secret }: typeof client) => `Basic ${btoa(`${id}:${secret}`)}`
const inForm = ({ id, secret } = client) => ({ client_id: id, client_secret: secret })
const GRANT = { grant_type: 'client_credentials' }

async function ask(form: string | Record<string, string>, init: RequestInit & { path?: string } = {}) {
  const { path = '/oauth/token', ...rest } = init
  const body = new URLSearchParams(form)
  const response = await fetch(url + path, { method: 'POST', body, ...rest })
  return { status: response.status, headers: response.headers, body: await response.json() }
}
const brief = ({ status, body }: Awaited<ReturnType<typeof ask>>) => `${status} ${body.error}`

describe('the token endpoint', () => {
  it('gives a short-lived bearer token for a client id and its secret, as Basic or in the form', async () => {
    for (const answer of [
      await ask(GRANT, { headers: { authorization: basic(client) } }),
      await ask({ ...GRANT, ...inForm() }),
    ]) {
      expect(answer.status).toBe(200)
      const { access_token, expires_in, ...rest } = answer.body
      expect(rest).toEqual({ token_type: 'Bearer', scope: 'OPERATOR' })
      expect([599, 600]).toContain(expires_in)
      expect(answer.headers.get('cache-control')).toBe('no-store')
      expect(answer.headers.get('pragma')).toBe('no-cache')
      expect(decodeProtectedHeader(access_token)).toMatchObject({ alg: 'ES256', typ: 'at+jwt' })
      const claims = decodeJwt(access_token)
      expect(claims).toMatchObject({ client_id: client.id, scope: 'OPERATOR', iss: claims.aud })
      expect(claims.sub).toMatch(/^tok_/)
      expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(600)
      const { data } = await gateway.ask('{ viewer { name roles } }', {}, { token: access_token })
      expect(data.viewer).toEqual({ name: 'OPERATOR', roles: ['OPERATOR'] })
    }
  })

  it('narrows the roles to the scope, and never widens them', async () => {
    const scoped = async (roles: Role[], scope: string) => {
      const answer = await ask({ ...GRANT, ...inForm(await newClient(roles)), scope })
      return answer.body.scope ?? brief(answer)
    }
    expect(await scoped(['OPERATOR', 'VIEWER'], 'VIEWER')).toBe('VIEWER')
    expect(await scoped(['ADMIN'], 'VIEWER OPERATOR')).toBe('OPERATOR VIEWER')
    expect(await scoped(['VIEWER'], '')).toBe('VIEWER')
    for (const scope of ['ADMIN', 'VIEWER ADMIN', 'viewer', 'VIEWER all', 'x"', '__proto__']) {
      expect(await scoped(['VIEWER'], scope), scope).toBe('400 invalid_scope')
    }
    expect(await scoped(['ADMIN'], 'PARTNER')).toBe('400 invalid_scope')
  })

  it('answers every wrong request in the words of RFC 6749', async () => {
    const headers = { authorization: basic(client) }
    const json = { ...headers, 'content-type': 'application/json' }
    const form = { ...headers, 'content-type': 'application/x-www-form-urlencoded' }
    const gzip = { ...form, 'content-encoding': 'gzip' }
    const all = { ...GRANT, ...inForm() }
    const wrong: Record<string, [Awaited<ReturnType<typeof ask>>, string]> = {
      'a GET': [await ask('', { method: 'GET', body: null, headers }), '405 invalid_request'],
      JSON: [await ask('', { body: JSON.stringify(all), headers: json }), '400 invalid_request'],
      'a compressed body': [await ask('', { body: 'x', headers: gzip }), '400 invalid_request'],
      'a long body': [await ask({ ...all, x: 'x'.repeat(5_000) }), '413 invalid_request'],
      'an empty body': [await ask('', { headers }), '400 invalid_request'],
      'no grant': [await ask(inForm()), '400 invalid_request'],
      'a password grant': [await ask({ ...all, grant_type: 'password' }), '400 unsupported_grant_type'],
      'a refresh grant': [await ask({ ...all, grant_type: 'refresh_token' }), '400 unsupported_grant_type'],
      'a strange grant': [await ask({ ...all, grant_type: '__proto__' }), '400 unsupported_grant_type'],
      'a repeated grant': [
        await ask(`${new URLSearchParams(all)}&grant_type=password`),
        '400 invalid_request',
      ],
      'a repeated scope': [
        await ask(`${new URLSearchParams(all)}&scope=VIEWER&scope=OPERATOR`),
        '400 invalid_request',
      ],
      'credentials twice': [await ask(all, { headers }), '400 invalid_request'],
      'no credentials': [await ask(GRANT), '401 invalid_client'],
      'credentials in the address': [
        await ask(GRANT, { path: `/oauth/token?${new URLSearchParams(inForm())}` }),
        '401 invalid_client',
      ],
      'a bearer token': [
        await ask(GRANT, { headers: { authorization: `Bearer ${client.secret}` } }),
        '401 invalid_client',
      ],
    }
    for (const [name, [answer, expected]] of Object.entries(wrong)) {
      expect(brief(answer), name).toBe(expected)
      expect(answer.body.error_description, name).toMatch(/^[\x20-\x7e]+$/)
      expect(answer.headers.get('cache-control'), name).toBe('no-store')
      if (answer.status === 401) expect(answer.headers.get('www-authenticate')).toMatch(/^Basic realm=/)
    }
    expect((await ask(all)).status).toBe(200)
    expect(gateway.logged).toEqual([])
  })

  it('answers whatever comes with an error of RFC 6749', async () => {
    const known = ['invalid_request', 'invalid_client', 'unsupported_grant_type', 'temporarily_unavailable']
    const word = fc.oneof(
      fc.constantFrom(
        'grant_type',
        'client_credentials',
        'client_id',
        'client_secret',
        'scope',
        '%',
        '%zz',
        '',
      ),
      fc.string({ unit: 'binary' }),
    )
    const pair = fc.tuple(word, word).map(([name, value]) => `${name}=${value}`)
    const body = fc.oneof(
      fc.array(pair).map((pairs) => pairs.join('&')),
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    )
    const authorization = fc.option(fc.string().map((text) => `Basic ${btoa(text)}`))
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    await fc.assert(
      fc.asyncProperty(body, authorization, async (sent, basic) => {
        const all = basic === null ? headers : { ...headers, authorization: basic }
        const response = await fetch(`${url}/oauth/token`, { method: 'POST', body: sent, headers: all })
        expect(response.status).toBeLessThan(500)
        expect(known).toContain((await response.json()).error)
      }),
      { numRuns: 200 },
    )
    expect(gateway.logged).toEqual([])
  })

  it('answers alike for an unknown client, a wrong secret, and one that was revoked', async () => {
    const revoked = await newClient(['VIEWER'])
    const other = await newClient(['VIEWER'])
    const { token } = gateway.parts.services
    const all = await token.list(gateway.test.session)
    const row = all.find(({ clientId }) => clientId === revoked.id)
    await token.revoke(gateway.test.session, row?.id ?? '')
    const answers = []
    for (const tried of [
      { id: 'cli_unknown', secret: client.secret },
      { id: client.id, secret: 'agw_wrong' },
      { id: client.id, secret: other.secret },
      revoked,
    ]) {
      const { status, headers, body } = await ask({ ...GRANT, ...inForm(tried) })
      const told = [...headers].filter(([name]) => name !== 'date' && name !== 'x-request-id')
      answers.push(JSON.stringify([status, told, body]))
    }
    expect(new Set(answers).size).toBe(1)
    expect(answers[0]).toContain('invalid_client')
  })

  it('answers 503 and no detail when a token cannot be made', async () => {
    gateway.parts.services.token.issueAccess = () => Promise.reject(new Error('canary'))
    const { status, body } = await ask({ ...GRANT, ...inForm() })
    expect([status, body.error]).toEqual([503, 'server_error'])
    expect(JSON.stringify(body)).not.toContain('canary')
    expect(gateway.logged).toHaveLength(1)
  })
})

describe('guessing', () => {
  /** From an address of its own. */
  const from = async (localAddress: string, form: Record<string, string>) => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const req = http.request(`${url}/oauth/token`, { method: 'POST', localAddress, headers })
    req.end(String(new URLSearchParams({ ...GRANT, ...form })))
    const [res] = (await once(req, 'response')) as [http.IncomingMessage]
    const body = (await json(res)) as { error?: string }
    return { status: res.statusCode, retryAfter: Number(res.headers['retry-after'] ?? 0), body }
  }

  it('is slowed down for an address, whose good clients are served on', async () => {
    const statuses = []
    for (let attempt = 0; attempt < 60; attempt += 1) {
      statuses.push((await ask({ ...GRANT, ...inForm({ id: `cli_${attempt}`, secret: 'wrong' }) })).status)
    }
    expect(statuses.slice(0, 30)).toEqual(Array(30).fill(401))
    expect(statuses.slice(30)).toEqual(Array(30).fill(429))
    const { status, headers } = await ask({ ...GRANT, ...inForm({ id: 'cli_x', secret: 'wrong' }) })
    expect(status).toBe(429)
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await ask({ ...GRANT, ...inForm() })).status).toBe(200)
  })

  it('is slowed down for a client, whatever addresses it comes from', async () => {
    const wrong = inForm({ id: client.id, secret: 'wrong' })
    for (let attempt = 0; attempt < 30; attempt += 1) {
      expect((await from(`127.0.1.${attempt}`, wrong)).status).toBe(401)
    }
    const { status, retryAfter } = await from('127.0.2.1', wrong)
    expect([status, retryAfter > 0]).toEqual([429, true])
    expect((await from('127.0.2.1', inForm({ id: 'cli_other', secret: 'wrong' }))).status).toBe(401)
    expect((await from('127.0.2.1', inForm())).status).toBe(200)
  })

  it('counts the tokens that a client asks for among its requests', async () => {
    const small = await testGateway({ requestsPerMinute: 2 })
    const { token, secret } = await small.parts.services.token.create(small.test.session, {
      name: 'Small',
      roles: ['VIEWER'],
    })
    const address = `${await small.serve()}/oauth/token`
    const body = String(new URLSearchParams({ ...GRANT, ...inForm({ id: token.clientId, secret }) }))
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const statuses = []
    for (let request = 0; request < 3; request += 1) {
      statuses.push((await fetch(address, { method: 'POST', body, headers })).status)
    }
    await small.dispose()
    expect(statuses).toEqual([200, 200, 429])
  })
})
