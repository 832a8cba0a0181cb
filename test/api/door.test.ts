import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type TestGateway, testGateway } from '../support/api.ts'

let gateway: TestGateway
beforeEach(async () => {
  gateway = await testGateway()
})
afterEach(() => gateway.dispose())

const VIEWER = '{ viewer { name roles sandbox { name } rateLimit { limit remaining resetAt } } }'

describe('who may come in', () => {
  it('knows a token by its secret, and says who it is', async () => {
    const { viewer } = await gateway.data(VIEWER)
    expect(viewer).toMatchObject({ name: 'admin', roles: ['ADMIN'], sandbox: { name: 'prod' } })
    expect(viewer.rateLimit.remaining).toBe(viewer.rateLimit.limit - 1)
  })

  it('answers 401 without a token or with a wrong one, and never says why', async () => {
    const none = await gateway.fetch({ headers: { authorization: '' }, body: '{"query":"{__typename}"}' })
    expect(none.status).toBe(401)
    expect(none.headers.get('www-authenticate')).toBe('Bearer')
    expect((await none.json()).errors[0].extensions.code).toBe('UNAUTHENTICATED')
    const answers = []
    for (const token of ['x', `${gateway.admin}x`, 'a'.repeat(10_000), 'Bearer']) {
      const { status, errors } = await gateway.ask(VIEWER, {}, { token })
      answers.push(`${status} ${errors?.[0]?.message}`)
    }
    expect([...new Set(answers)]).toEqual(['401 The token is not valid.'])
  })

  it('refuses revoked and expired tokens at once', async () => {
    const token = await gateway.token(['VIEWER'])
    const [row] = (await gateway.parts.services.token.list(gateway.test.session)).slice(-1)
    expect((await gateway.ask(VIEWER, {}, { token })).status).toBe(200)
    await gateway.data('mutation ($id: ID!) { revokeApiToken(id: $id) { errors { code } } }', { id: row!.id })
    expect((await gateway.ask(VIEWER, {}, { token })).status).toBe(401)
  })

  it('slows down whoever guesses, and still serves good tokens from the same address', async () => {
    const statuses = new Set<number>()
    for (let attempt = 0; attempt < 40; attempt += 1) {
      statuses.add((await gateway.ask(VIEWER, {}, { token: `guess${attempt}` })).status)
    }
    expect([...statuses]).toEqual([401, 429])
    expect((await gateway.ask(VIEWER)).status).toBe(200)
  })

  it('answers the same for a sandbox that is not there and one that is not for the token', async () => {
    const token = await gateway.token(['OPERATOR'], { sandbox: 'dev' })
    expect((await gateway.ask(VIEWER, {}, { token, sandbox: 'dev' })).status).toBe(200)
    const prod = await gateway.ask(VIEWER, {}, { token })
    const absent = await gateway.ask(VIEWER, {}, { token, sandbox: 'absent' })
    expect(prod.status).toBe(403)
    expect(prod.errors).toEqual(absent.errors)
    expect((await gateway.ask(VIEWER, {}, { sandbox: 'absent' })).status).toBe(403)
  })

  it('keeps a partner from what is not its own', async () => {
    const destinationIds = [await destination()]
    const token = await gateway.token(['PARTNER'], { destinationIds })
    expect((await gateway.data(VIEWER, {}, { token })).viewer.roles).toEqual(['PARTNER'])
    for (const query of ['{ segments { totalCount } }', '{ destinationTypes { name } }']) {
      const { errors } = await gateway.ask(query, {}, { token })
      expect(errors?.[0]?.extensions.code).toBe('FORBIDDEN')
    }
  })

  it('lets a viewer read and not write', async () => {
    const token = await gateway.token(['VIEWER'])
    await gateway.data('{ segments { totalCount } runs { nodes { id } } }', {}, { token })
    const { errors } = await gateway.ask('mutation { evaluateSegments { job { id } } }', {}, { token })
    expect(errors?.[0]?.extensions.code).toBe('FORBIDDEN')
  })

  const destination = async () => {
    const made = await gateway.data(
      'mutation { createDestination(input: { name: "D", type: "LOCAL_DIRECTORY", settings: { path: "d" } }) { destination { id } errors { message } } }',
    )
    return made.createDestination.destination.id
  }
})
