import { describe, expect, it } from 'vitest'
import { expectDiscreet, expectRefusal, underAttack } from '../support/under-attack.ts'
import { ways } from '../support/ways.ts'

const request = { query: '{ viewer { name } }' }

describe.each(ways)('a token, $name', ({ path }) => {
  const at = underAttack()

  it('case 47: that is none, altered or too long is 401, in words that tell nothing', async () => {
    const good = at.gateway.admin
    const none = await at.ask(path, request, { authorization: '' })
    expectRefusal(none, { status: 401, codes: ['UNAUTHENTICATED'] })
    expect(none.headers.get('www-authenticate')).toBe('Bearer')
    const words = new Set<string>()
    for (const authorization of [
      'Bearer',
      'Bearer x',
      `Bearer ${good}x`,
      `Bearer ${good.slice(0, -1)}`,
      `Bearer ${good.toUpperCase()}`,
      `Bearer ${good} ${good}`,
      `Basic ${btoa(`admin:${good}`)}`,
      `Token ${good}`,
      good,
      'Bearer null',
      'Bearer ../../etc/passwd',
      "Bearer ' OR 1=1 --",
      `Bearer ${'a'.repeat(12_000)}`,
    ]) {
      const reply = await at.ask(path, request, { authorization })
      expectRefusal(reply, { status: 401, codes: ['UNAUTHENTICATED'] })
      words.add(reply.text)
    }
    expect(words.size).toBe(1)
  })

  it('case 48: in the address, the body or a cookie is not read', async () => {
    const token = at.gateway.admin
    const join = path.includes('?') ? '&' : '?'
    const address = `${path}${join}access_token=${token}&token=${token}&authorization=Bearer%20${token}`
    for (const [to, more] of [
      [address, {}],
      [path, { cookie: `token=${token}; authorization=Bearer ${token}` }],
      [path, { 'x-authorization': `Bearer ${token}` }],
    ] as const) {
      const body = JSON.stringify({ ...request, extensions: { token, authorization: `Bearer ${token}` } })
      const reply = await at.send(to, { body, headers: { authorization: '', ...more } })
      expectRefusal(reply, { status: 401, codes: ['UNAUTHENTICATED'] })
    }
  })

  it('case 49: that is wrong a hundred times is 429, and a good one from the same address is served', async () => {
    const statuses = new Set<number>()
    for (let attempt = 0; attempt < 100; attempt += 1) {
      const reply = await at.ask(path, request, { authorization: `Bearer guess${attempt}` })
      statuses.add(reply.status)
      expectDiscreet(reply.text)
      if (reply.status === 429) expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(0)
    }
    expect(statuses).toContain(429)
    for (const status of statuses) expect([401, 429]).toContain(status)
    expect((await at.ask(path, request)).status).toBe(200)
  })

  it('for a sandbox that is not its own is 403, the same as for one that is not there', async () => {
    const token = await at.gateway.token(['OPERATOR'], { sandbox: 'dev' })
    const to = (name: string) =>
      at.ask(path, request, { authorization: `Bearer ${token}`, 'x-sandbox-name': name })
    const [own, other, absent] = await Promise.all([to('dev'), to('prod'), to('absent')])
    expect(own?.status).toBe(200)
    expectRefusal(other as typeof own, { status: 403, codes: ['FORBIDDEN'] })
    expect(other?.text).toBe(absent?.text)
    for (const name of ['../dev', '%00', "' OR 1=1", 'x'.repeat(5_000)])
      expect((await to(name)).status).toBe(403)
  })
})

describe('where the schema is open to everybody', () => {
  const open = underAttack({ config: { introspection: 'always' } })
  const ask = '{ __schema { queryType { name } } }'

  it.each(ways)('it is, and nothing else, $name', async ({ path }) => {
    const { body } = await open.ask(path, { query: ask }, { authorization: '' })
    expect(body.data).toEqual({ __schema: { queryType: { name: 'Query' } } })
    for (const query of ['{ viewer { name } }', `{ viewer { name } ${ask.slice(1)}`]) {
      expectRefusal(await open.ask(path, { query }, { authorization: '' }), { codes: ['UNAUTHENTICATED'] })
    }
    expectRefusal(await open.ask(path, { query: ask }, { authorization: 'Bearer x' }), { status: 401 })
  })
})
