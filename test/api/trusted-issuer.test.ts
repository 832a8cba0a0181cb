import { generateKeyPair } from 'jose'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type TestGateway, testGateway } from '../support/api.ts'
import { type TestIssuer, testIssuer } from '../support/issuer.ts'
import { admitted, dial } from '../support/ws-client.ts'

const VIEWER = '{ viewer { name roles sandbox { name } } }'

let issuer: TestIssuer
let gateway: TestGateway
beforeEach(async () => {
  issuer = await testIssuer()
  gateway = await testGateway({ trustedIssuer: issuer.trusted() })
})
afterEach(async () => {
  vi.useRealTimers()
  await gateway.dispose()
  await issuer.dispose()
})

const ask = (token: string, sandbox?: string) =>
  gateway.ask(VIEWER, {}, { token, ...(sandbox && { sandbox }) })
const seen = async (claims: object, sandbox?: string) => {
  const { status, data, errors } = await ask(await issuer.sign(claims), sandbox)
  return data?.viewer ?? `${status} ${errors?.[0]?.message}`
}

describe("an outside issuer's token", () => {
  it('is good wherever an API token is', async () => {
    const url = await gateway.serve()
    const token = await issuer.sign({ preferred_username: 'ada' })
    expect((await ask(token)).data.viewer).toEqual({
      name: 'ada',
      roles: ['VIEWER'],
      sandbox: { name: 'prod' },
    })
    const client = await admitted(url, token)
    client.subscribe('1', VIEWER)
    await client.hear(({ type }) => type === 'next')
    expect(client.dataOf('1')[0].viewer.name).toBe('ada')
    client.socket.terminate()
  })

  it('has the roles that its claim maps to', async () => {
    const rolesOf = async (groups: unknown) => (await seen({ groups })).roles
    expect(await rolesOf(['admins', 'builders', 'unknown'])).toEqual(['ADMIN', 'OPERATOR'])
    expect(await rolesOf('builders readers')).toEqual(['OPERATOR', 'VIEWER'])
    expect(await rolesOf(['all staff', 'readers'])).toEqual(['VIEWER'])
    const none = "403 The token's claim groups gives no role of this gateway."
    for (const groups of [undefined, [], ['ADMIN'], ['__proto__'], 'constructor', 7, { admins: true }]) {
      expect(await seen({ groups }), String(groups)).toBe(none)
    }
  })

  it('may hold its roles further down, or under a name with dots', async () => {
    await gateway.dispose()
    gateway = await testGateway({ trustedIssuer: issuer.trusted({ roleClaim: 'realm_access.roles' }) })
    expect((await seen({ realm_access: { roles: ['builders'] } })).roles).toEqual(['OPERATOR'])
    expect((await seen({ 'realm_access.roles': 'readers' })).roles).toEqual(['VIEWER'])
    expect(await seen({ realm_access: null })).toMatch(/^403/)
  })

  it('is good for the sandbox that it names, for prod without one, and for all as an administrator', async () => {
    await gateway.parts.services.sandbox.ensure('dev')
    expect((await seen({ sandbox: 'dev' }, 'dev')).sandbox).toEqual({ name: 'dev' })
    expect(await seen({ sandbox: 'dev' })).toMatch(/^403/)
    expect(await seen({}, 'dev')).toMatch(/^403/)
    expect((await seen({ groups: 'admins' }, 'dev')).sandbox).toEqual({ name: 'dev' })
    expect(await seen({ groups: 'admins', sandbox: 'dev' })).toMatch(/^403/)
    expect(await seen({ sandbox: 'absent' })).toMatch(/^403/)
  })

  it('of a partner names its destinations', async () => {
    const made = await gateway.data(
      'mutation { a: createDestination(input: { name: "A", type: "LOCAL_DIRECTORY", settings: { path: "a" } }) { destination { id } } b: createDestination(input: { name: "B", type: "LOCAL_DIRECTORY", settings: { path: "b" } }) { destination { id } } }',
    )
    const token = await issuer.sign({ groups: 'agencies', destinations: [made.a.destination.id] })
    const { viewer } = await gateway.data('{ viewer { destinations { nodes { name } } } }', {}, { token })
    expect(viewer.destinations.nodes).toEqual([{ name: 'A' }])
    for (const destinations of [undefined, [], 7, Array.from({ length: 251 }, (_, n) => `dst_${n}`)]) {
      expect(await seen({ groups: 'agencies', destinations })).toMatch(
        /^403 A partner's token names 1 to 250/,
      )
    }
    expect(await seen({ groups: ['agencies', 'readers'] })).toMatch(/^403/)
  })

  it('stands for the same caller every day, and for no other', async () => {
    const { token } = gateway.parts.services
    const idOf = async (claims: object) => (await token.authenticate(await issuer.sign(claims)))?.tokenId
    const first = await idOf({})
    expect(first).toMatch(/^ext_[0-9a-f]{32}$/)
    expect(await idOf({ jti: 'another', groups: 'builders' })).toBe(first)
    expect(await idOf({ sub: 'user-2' })).not.toBe(first)
    const remaining = async (claims: object) =>
      (await ask(await issuer.sign(claims))).headers.get('ratelimit-remaining')
    expect([await remaining({}), await remaining({}), await remaining({ sub: 'user-2' })]).toEqual([
      '59999',
      '59998',
      '59999',
    ])
  })

  it('ends when it expires, on open streams too', async () => {
    const { token } = gateway.parts.services
    const exp = Math.floor(Date.now() / 1000) + 60
    const identity = await token.authenticate(await issuer.sign({ exp }))
    const session = { ...gateway.test.session, ...identity }
    const end = new Date((exp + 30) * 1000) // the clocks may be half a minute apart
    expect(session.expiresAt).toEqual(end)
    expect(await token.isLive(session)).toBe(true)
    gateway.test.setTime(end)
    expect(await token.isLive(session)).toBe(false)
  })

  it('that is not good is answered with 401', async () => {
    const now = Math.floor(Date.now() / 1000)
    const foreign = await generateKeyPair('RS256')
    const secret = new TextEncoder().encode('x'.repeat(32)) as unknown as CryptoKey
    const wrong = {
      'another audience': await issuer.sign({ aud: 'another' }),
      'no audience': await issuer.sign({ aud: undefined }),
      'another issuer': await issuer.sign({ iss: 'https://issuer.example' }),
      expired: await issuer.sign({ iat: now - 3600, exp: now - 60 }),
      'not yet good': await issuer.sign({ nbf: now + 600 }),
      'older than a day': await issuer.sign({ iat: now - 90_000 }),
      'without an end': await issuer.sign({ exp: undefined }),
      'without a subject': await issuer.sign({ sub: undefined }),
      'a logout token': await issuer.sign({}, { typ: 'logout+jwt' }),
      'a foreign key': await issuer.sign({}, {}, foreign.privateKey),
      'an unknown kid': await issuer.sign({}, { kid: 'unknown' }),
      'a symmetric key': await issuer.sign({}, { alg: 'HS256' }, secret),
      'our own issuer': await issuer.sign({ iss: 'activation-gateway', aud: 'activation-gateway' }),
    }
    for (const [name, token] of Object.entries(wrong)) expect((await ask(token)).status, name).toBe(401)
    expect(issuer.fetches()).toBe(1)
  })
})

describe("the issuer's keys", () => {
  it('are fetched once, and for its own tokens alone', async () => {
    await gateway.ask(VIEWER)
    await gateway.ask(VIEWER, {}, { token: 'nonsense' })
    await ask(await issuer.sign({ iss: 'https://issuer.example' }))
    expect(issuer.fetches()).toBe(0)
    const tokens = await Promise.all([1, 2, 3, 4].map((n) => issuer.sign({ sub: `user-${n}` })))
    for (const { status } of await Promise.all(tokens.map((token) => ask(token)))) expect(status).toBe(200)
    expect(issuer.fetches()).toBe(1)
  })

  it('are fetched again when a new one signs, half a minute later at the soonest', async () => {
    await ask(await issuer.sign())
    await issuer.rotate()
    const token = await issuer.sign()
    expect((await ask(token)).status).toBe(401)
    expect(issuer.fetches()).toBe(1)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 31_000 })
    expect((await ask(token)).status).toBe(200)
    expect(issuer.fetches()).toBe(2)
  })

  it('that cannot be had are answered with 503, seldom asked for, and had again later', async () => {
    const url = await gateway.serve()
    const token = await issuer.sign()
    issuer.fail(500)
    const { status, errors, headers } = await ask(token)
    expect([status, errors?.[0]?.extensions.code]).toEqual([503, 'UNAVAILABLE'])
    expect(headers.get('retry-after')).toBe('5')
    for (let request = 0; request < 10; request += 1) expect((await ask(token)).status).toBe(503)
    expect(issuer.fetches()).toBe(1)
    expect(gateway.logged).toHaveLength(1)
    expect((await gateway.ask(VIEWER)).status).toBe(200)
    const socket = dial(url)
    await socket.opened()
    socket.say({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } })
    expect(await socket.closed).toBe(1013)
    issuer.fail(null)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 6_000 })
    expect((await ask(token)).status).toBe(200)
  })

  it('are never fetched where no issuer is trusted', async () => {
    const other = await testGateway()
    const { status } = await other.ask(VIEWER, {}, { token: await issuer.sign() })
    await other.dispose()
    expect(status).toBe(401)
    expect(issuer.fetches()).toBe(0)
  })
})
