import { createHmac } from 'node:crypto'
import http from 'node:http'
import { exportJWK, exportSPKI, generateKeyPair, importJWK, SignJWT } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Role } from '../../src/domain/model.ts'
import { tokenService } from '../../src/services/token.ts'
import { sealedHeads } from '../../src/storage/sealed.ts'
import type { Row } from '../../src/storage/tables.ts'
import { createVault } from '../../src/vault.ts'
import { type TestGateway, testGateway } from '../support/api.ts'
import { admitted, dial } from '../support/ws-client.ts'

const VIEWER = '{ viewer { name roles } }'
const HOUR = 3_600_000
const NOON = new Date('2026-11-22T12:00:00Z')
const later = (ms: number) => new Date(NOON.getTime() + ms)

let gateway: TestGateway
let token: Row<'apiTokens'>
let jwt: string
beforeEach(async () => {
  gateway = await testGateway()
  gateway.test.setTime(NOON)
  token = await newToken(['OPERATOR'])
  jwt = await gateway.parts.services.token.issueAccess(token, ['OPERATOR'])
})
afterEach(() => gateway.dispose())

async function newToken(roles: Role[], expiresAt: Date | null = null) {
  const input = { name: roles.join(), roles, expiresAt }
  return (await gateway.parts.services.token.create(gateway.test.session, input)).token
}
const statusOf = async (bearer: string) => (await gateway.ask(VIEWER, {}, { token: bearer })).status
const signingKeys = () => {
  const { db, tables } = gateway.test.database
  return db.select().from(tables.signingKeys)
}

describe('an access token', () => {
  it('is good wherever an API token is: HTTP, server-sent events, WebSocket, import', async () => {
    const url = await gateway.serve()
    const authorization = `Bearer ${jwt}`
    const headers = { authorization, 'content-type': 'application/json' }
    const body = JSON.stringify({ query: VIEWER })
    const plain = await fetch(`${url}/graphql`, { method: 'POST', headers, body })
    expect((await plain.json()).data.viewer).toEqual({ name: 'OPERATOR', roles: ['OPERATOR'] })
    const accept = 'text/event-stream'
    const stream = await fetch(`${url}/graphql`, { method: 'POST', headers: { ...headers, accept }, body })
    expect(await stream.text()).toContain('"name":"OPERATOR"')
    const client = await admitted(url, jwt)
    client.subscribe('1', VIEWER)
    await client.hear(({ type }) => type === 'next')
    expect(client.dataOf('1')[0].viewer.name).toBe('OPERATOR')
    client.socket.terminate()
    const imported = await fetch(`${url}/import?key=id`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'text/csv' },
      body: 'id,name\n1,Ada\n',
    })
    expect(await imported.json()).toMatchObject({ inserted: 1 })
  })

  it('ends after ten minutes', async () => {
    gateway.test.setTime(later(599_000))
    expect(await statusOf(jwt)).toBe(200)
    gateway.test.setTime(later(600_000))
    expect(await statusOf(jwt)).toBe(401)
  })

  it('ends with its API token at once, revoked or expired', async () => {
    const { services } = gateway.parts
    expect(await statusOf(jwt)).toBe(200)
    await services.token.revoke(gateway.test.session, token.id)
    expect(await statusOf(jwt)).toBe(401)
    const brief = await newToken(['VIEWER'], later(60_000))
    const other = await services.token.issueAccess(brief, ['VIEWER'])
    gateway.test.setTime(later(59_000))
    expect(await statusOf(other)).toBe(200)
    gateway.test.setTime(later(60_000))
    expect(await statusOf(other)).toBe(401)
  })

  it('may do what its API token may do now, in the roles that were asked for', async () => {
    const { database } = gateway.test
    const { apiTokens } = database.tables
    const both = await gateway.parts.services.token.issueAccess(token, ['OPERATOR', 'VIEWER'])
    const rolesNow = async (roles: Role[]) => {
      await database.batch([database.db.update(apiTokens).set({ roles })])
      const { status, data } = await gateway.ask(VIEWER, {}, { token: both })
      return data?.viewer.roles ?? status
    }
    expect(await rolesNow(['OPERATOR'])).toEqual(['OPERATOR'])
    expect(await rolesNow(['ADMIN'])).toEqual(['OPERATOR', 'VIEWER'])
    expect(await rolesNow(['VIEWER'])).toEqual(['VIEWER'])
    expect(await rolesNow(['PARTNER'])).toBe(401)
  })

  it('for reading does not write, whatever its API token may do', async () => {
    const reading = await gateway.parts.services.token.issueAccess(await newToken(['ADMIN']), ['VIEWER'])
    const { data } = await gateway.ask('{ segments { totalCount } }', {}, { token: reading })
    expect(data.segments.totalCount).toBe(0)
    for (const mutation of ['evaluateSegments { job { id } }', 'cancelRun(id: "x") { run { id } }']) {
      const { errors } = await gateway.ask(`mutation { ${mutation} }`, {}, { token: reading })
      expect(errors?.[0]?.extensions.code).toBe('FORBIDDEN')
    }
  })

  it('makes a session that knows when it ends, so that streams end with it', async () => {
    const { services } = gateway.parts
    const sessionOf = async (bearer: string) => ({
      ...gateway.test.session,
      ...(await services.token.authenticate(bearer)),
    })
    const session = await sessionOf(jwt)
    expect(session.expiresAt).toEqual(later(600_000))
    expect(await services.token.isLive(session)).toBe(true)
    const brief = await newToken(['VIEWER'], later(60_000))
    const sooner = await sessionOf(await services.token.issueAccess(brief, ['VIEWER']))
    expect(sooner.expiresAt).toEqual(later(60_000))
    gateway.test.setTime(later(60_000))
    expect(await services.token.isLive(sooner)).toBe(false)
    gateway.test.setTime(later(600_000))
    expect(await services.token.isLive(session)).toBe(false)
    gateway.test.setTime(NOON)
    await services.token.revoke(gateway.test.session, token.id)
    expect(await services.token.isLive(session)).toBe(false)
  })
})

describe('a token that somebody else has made', () => {
  it('is answered with 401, whatever it names, and nothing is fetched', async () => {
    const fetched: string[] = []
    const trap = http.createServer((req, res) => {
      fetched.push(String(req.url))
      res.end('{}')
    })
    await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve))
    const address = trap.address()
    const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/jwks.json`
    const url2 = await gateway.serve()
    for (const [name, forged] of Object.entries(await forgeries(url))) {
      expect(await statusOf(forged), name).toBe(401)
      const socket = dial(url2)
      await socket.opened()
      socket.say({ type: 'connection_init', payload: { authorization: `Bearer ${forged}` } })
      expect(await socket.closed, name).toBe(4403)
    }
    await new Promise((resolve) => trap.close(resolve))
    expect(fetched).toEqual([])
    expect(await statusOf(jwt)).toBe(200)
    expect(gateway.logged).toEqual([])
  })

  it('is not read from the address or the body', async () => {
    const body = JSON.stringify({ query: VIEWER, access_token: jwt })
    const path = `?access_token=${jwt}`
    const response = await gateway.fetch({ path, body, headers: { authorization: '' } })
    expect(response.status).toBe(401)
  })

  async function forgeries(url: string): Promise<Record<string, string>> {
    const [row] = await signingKeys()
    const kid = row!.id
    const own = await importJWK(JSON.parse(gateway.test.ctx.vault.open(row!.privateKey, kid)), 'ES256')
    const foreign = await generateKeyPair('ES256', { extractable: true })
    const now = NOON.getTime() / 1000
    const claims = {
      iss: 'activation-gateway',
      aud: 'activation-gateway',
      sub: token.id,
      jti: 'x',
      client_id: token.clientId,
      scope: 'OPERATOR',
      iat: now,
      exp: now + 600,
    }
    const good = { alg: 'ES256', typ: 'at+jwt', kid }
    const sign = (header: object, changes: object = {}, key: Parameters<SignJWT['sign']>[0] = own) =>
      new SignJWT({ ...claims, ...changes }).setProtectedHeader({ ...good, ...header }).sign(key)
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const [head = '', payload = '', signature = ''] = jwt.split('.')
    expect(await statusOf(await sign({}))).toBe(200)

    const publicKey = await importJWK(row!.publicKey, 'ES256', { extractable: true })
    const spki = await exportSPKI(publicKey as Parameters<typeof exportSPKI>[0])
    const hs = `${part({ ...good, alg: 'HS256' })}.${part(claims)}`
    const none = `${part({ ...good, alg: 'none' })}.${part(claims)}`
    return {
      garbage: 'a.b.c',
      'garbage that is long': `eyJ${'x'.repeat(6_000)}.${'y'.repeat(6_000)}.z`,
      'another payload': `${head}.${part({ ...claims, scope: 'ADMIN' })}.${signature}`,
      'a cut signature': jwt.slice(0, -4),
      'no signature': `${head}.${payload}.`,
      'alg none': `${none}.`,
      'alg none with a signature': `${none}.${signature}`,
      'HS256 with the public key': `${hs}.${createHmac('sha256', spki).update(hs).digest('base64url')}`,
      'a foreign key under our kid': await sign({}, {}, foreign.privateKey),
      'a foreign key in the header': await sign(
        { jwk: await exportJWK(foreign.publicKey) },
        {},
        foreign.privateKey,
      ),
      'a foreign key at an address': await sign({ jku: url, kid: 'x' }, {}, foreign.privateKey),
      'a certificate at an address': await sign({ x5u: url, kid: 'x' }, {}, foreign.privateKey),
      'an issuer that is an address': await sign({}, { iss: url }, foreign.privateKey),
      'a kid that leads elsewhere': await sign({ kid: '../../../dev/null' }, {}, foreign.privateKey),
      'a kid that is SQL': await sign({ kid: "' or 1=1 --" }, {}, foreign.privateKey),
      'an unknown kid': await sign({ kid: crypto.randomUUID() }),
      'no kid': await sign({ kid: undefined }),
      'another type': await sign({ typ: 'JWT' }),
      'an unknown critical header': `${part({ ...good, crit: ['x'], x: 1 })}.${payload}.${signature}`,
      'another issuer': await sign({}, { iss: 'https://issuer.example' }),
      'another audience': await sign({}, { aud: 'another' }),
      'no expiry': await sign({}, { exp: undefined }),
      'a far expiry on an old token': await sign({}, { iat: now - 601, exp: now + 9_999_999 }),
      'no subject': await sign({}, { sub: undefined }),
      'an unknown subject': await sign({}, { sub: 'tok_unknown' }),
      'no scope': await sign({}, { scope: undefined }),
      'a scope of nothing': await sign({}, { scope: '' }),
      'a scope beyond its token': await sign({}, { scope: 'ADMIN' }),
      'a scope that is no text': await sign({}, { scope: ['OPERATOR'] }),
    }
  }
})

describe('the keys', () => {
  it('are stored sealed', async () => {
    const [row] = await signingKeys()
    expect(row!.publicKey).toMatchObject({ kty: 'EC', crv: 'P-256' })
    expect(row!.publicKey).not.toHaveProperty('d')
    const { d } = JSON.parse(gateway.test.ctx.vault.open(row!.privateKey, row!.id))
    expect(JSON.stringify(row)).not.toContain(d)
  })

  it('change every day, while tokens of the day before are still good', async () => {
    const { services } = gateway.parts
    await services.token.issueAccess(token, ['OPERATOR'])
    expect(await signingKeys()).toHaveLength(1)
    gateway.test.setTime(later(24 * HOUR - 1000))
    const last = await services.token.issueAccess(token, ['OPERATOR'])
    gateway.test.setTime(later(24 * HOUR))
    const together = [1, 2, 3].map(() => services.token.issueAccess(token, ['OPERATOR']))
    for (const fresh of await Promise.all(together)) expect(await statusOf(fresh)).toBe(200)
    expect(await signingKeys()).toHaveLength(2)
    expect(await statusOf(last)).toBe(200)
    gateway.test.setTime(later(49 * HOUR))
    await services.token.issueAccess(token, ['OPERATOR'])
    expect(await signingKeys()).toHaveLength(2)
  })

  it('that cannot be opened are replaced: a lost SECRETS_KEY ends no more than the tokens of ten minutes', async () => {
    const { database, ctx } = gateway.test
    const sealed = (await signingKeys()).map(({ privateKey }) => privateKey)
    gateway.test.setTime(later(1000))
    const vault = createVault(() => [Buffer.alloc(32, 7)])
    const other = tokenService({ ...ctx, vault })
    const fresh = await other.issueAccess(token, ['OPERATOR'])
    expect(await other.authenticate(fresh)).toMatchObject({ tokenId: token.id })
    expect(await signingKeys()).toHaveLength(sealed.length + 1)
    await other.issueAccess(token, ['OPERATOR'])
    expect(await signingKeys()).toHaveLength(sealed.length + 1)
    expect(await sealedHeads(database, 12)).toEqual([])
  })

  it('are those of all processes on the database', async () => {
    const other = tokenService(gateway.test.ctx)
    expect(await other.authenticate(jwt)).toMatchObject({ tokenId: token.id })
    gateway.test.setTime(later(25 * HOUR))
    const fresh = await other.issueAccess(token, ['OPERATOR'])
    expect(await statusOf(fresh)).toBe(200)
    await gateway.parts.services.token.issueAccess(token, ['OPERATOR'])
    expect(await signingKeys()).toHaveLength(2)
  })
})
