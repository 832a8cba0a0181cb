import { eq } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { tokenService } from '../../src/services/token.ts'
import { type TestGateway, testGateway } from '../support/api.ts'
import { addSandbox } from '../support/database.ts'

let gateway: TestGateway
beforeEach(async () => {
  gateway = await testGateway()
})
afterEach(() => gateway.dispose())

const CREATE = `mutation ($input: CreateApiTokenInput!) { createApiToken(input: $input) {
  apiToken { id clientId name roles destinations { id } createdAt expiresAt lastUsedAt revokedAt } secret errors { __typename code path message } } }`

describe('tokens', () => {
  it('are shown once and stored as a hash', async () => {
    const { createApiToken } = await gateway.data(CREATE, {
      input: { name: 'CI', roles: ['OPERATOR', 'OPERATOR'] },
    })
    const { apiToken, secret } = createApiToken
    expect(secret).toMatch(/^agw_[\w-]{43}$/)
    expect(apiToken).toMatchObject({ name: 'CI', roles: ['OPERATOR'], destinations: [], lastUsedAt: null })
    expect(apiToken.clientId).toMatch(/^cli_[0-9a-f]{24}$/)
    const { database } = gateway.test
    const rows = JSON.stringify(await database.db.select().from(database.tables.apiTokens))
    expect(rows).not.toContain(secret)
    const read = await gateway.data('query ($id: ID!) { node(id: $id) { id ... on ApiToken { name } } }', {
      id: apiToken.id,
    })
    expect(read.node).toEqual({ id: apiToken.id, name: 'CI' })
  })

  it('say every rule that an input breaks', async () => {
    const input = { name: ' ', roles: [], destinationIds: ['dst_x'], expiresAt: '2020-01-01T00:00:00Z' }
    const { createApiToken } = await gateway.data(CREATE, { input })
    expect(createApiToken.apiToken).toBeNull()
    expect(createApiToken.secret).toBeNull()
    expect(createApiToken.errors.map(({ path }: { path: string[] }) => path.join('.'))).toEqual([
      'input.name',
      'input.roles',
      'input.destinationIds',
      'input.destinationIds.0',
      'input.expiresAt',
    ])
    const partner = await gateway.data(CREATE, { input: { name: 'P', roles: ['PARTNER', 'ADMIN'] } })
    expect(partner.createApiToken.errors).toHaveLength(2)
  })

  it('expire, and record their use once a minute at most', async () => {
    const { test, parts } = gateway
    const start = new Date('2026-11-22T09:00:00Z')
    test.setTime(start)
    const expiresAt = new Date(start.getTime() + 600_000)
    const { secret } = await parts.services.token.create(test.session, {
      name: 'T',
      roles: ['VIEWER'],
      expiresAt,
    })
    const { apiTokens } = test.database.tables
    const used = async (seconds: number) => {
      test.setTime(new Date(start.getTime() + seconds * 1000))
      const identity = await parts.services.token.authenticate(secret)
      const [row] = await test.database.db.select().from(apiTokens).where(eq(apiTokens.name, 'T'))
      return identity ? (row!.lastUsedAt!.getTime() - start.getTime()) / 1000 : null
    }
    expect([await used(0), await used(59), await used(60), await used(90)]).toEqual([0, 0, 60, 60])
    expect(await used(600)).toBeNull()
  })

  it('of the administrator are made once, or taken from the configuration', async () => {
    const { token } = gateway.parts.services
    expect(await token.ensureAdmin()).toBeNull()
    expect(await token.authenticate(gateway.admin)).toMatchObject({
      name: 'admin',
      roles: ['ADMIN'],
      sandboxId: null,
    })
    expect(await token.ensureAdmin('configured-secret-of-the-operator')).toBeNull()
    expect(await token.authenticate(gateway.admin)).toBeNull()
    expect(await token.authenticate('configured-secret-of-the-operator')).toMatchObject({ roles: ['ADMIN'] })
  })
})

describe('sandboxes', () => {
  const MAKE =
    'mutation ($input: CreateSandboxInput!) { createSandbox(input: $input) { sandbox { name title } errors { __typename code path ... on ConflictError { node { id __typename } } } } }'

  it('are made by administrators, once', async () => {
    const input = { name: 'dev-2', title: 'Development' }
    expect((await gateway.data(MAKE, { input })).createSandbox).toEqual({ sandbox: input, errors: [] })
    const again = (await gateway.data(MAKE, { input })).createSandbox
    expect(again).toMatchObject({
      sandbox: null,
      errors: [{ code: 'CONFLICT', node: { __typename: 'Sandbox' } }],
    })
    for (const name of ['', 'Dev', 'a b', 'x'.repeat(64), 'ä']) {
      const { errors } = (await gateway.data(MAKE, { input: { ...input, name } })).createSandbox
      expect(errors).toMatchObject([{ code: 'INVALID_INPUT', path: ['input', 'name'] }])
    }
    const token = await gateway.token(['OPERATOR'])
    expect((await gateway.ask(MAKE, { input }, { token })).errors?.[0]?.extensions.code).toBe('FORBIDDEN')
  })

  it('keep what is in them to themselves', async () => {
    await addSandbox(gateway.test.database, 'dev')
    const make =
      'mutation { createSegment(input: { name: "S", rule: { attribute: { path: "a", operator: EXISTS } } }) { segment { id } errors { message } } }'
    await gateway.data(make, {}, { sandbox: 'dev' })
    const count = '{ segments { totalCount } }'
    expect((await gateway.data(count, {}, { sandbox: 'dev' })).segments.totalCount).toBe(1)
    expect((await gateway.data(count)).segments.totalCount).toBe(0)
  })
})

it('makes one administrator when gateways start for the first time at the same moment', async () => {
  const { ctx } = gateway.test
  const { apiTokens } = ctx.database.tables
  await ctx.database.batch([ctx.database.db.delete(apiTokens)])
  const starts = await Promise.all([1, 2, 3].map(() => tokenService(ctx).ensureAdmin('a-token-of-their-own')))
  expect(starts).toEqual([null, null, null])
  expect(await ctx.database.db.select().from(apiTokens)).toHaveLength(1)
})
