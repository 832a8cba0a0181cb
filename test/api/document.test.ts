import { getIntrospectionQuery } from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestGateway, testGateway } from '../support/api.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await testGateway()
})
afterAll(() => gateway.dispose())

it('lets the official introspection query pass', async () => {
  const { __schema } = await gateway.data(getIntrospectionQuery({ oneOf: true, inputValueDeprecation: true }))
  expect(__schema.types.length).toBeGreaterThan(50)
})

describe('the schema', () => {
  const ask = '{ __schema { queryType { name } } }'

  it('is hidden where nobody may ask for it, names in messages included', async () => {
    const closed = await testGateway({ config: { introspection: 'never' } })
    try {
      expect((await closed.ask(ask)).errors?.[0]?.extensions.code).toBe('INTROSPECTION_DISABLED')
      const hidden = '{ ...f } fragment f on Query { __type(name: "Run") { name } }'
      expect((await closed.ask(hidden)).errors?.[0]?.extensions.code).toBe('INTROSPECTION_DISABLED')
      const guesses = [
        closed.ask('{ segmentz { totalCount } }'),
        closed.ask('{ segments(filter: { statuz: ACTIVE }) { totalCount } }'),
        closed.ask('{ segments(filter: { status: ACTIV }) { totalCount } }'),
        closed.ask('query ($f: SegmentFilter) { segments(filter: $f) { totalCount } }', { f: { statuz: 1 } }),
        closed.ask('query ($f: SegmentFilter) { segments(filter: $f) { totalCount } }', {
          f: { status: 'ACTIV' },
        }),
      ]
      for (const { errors } of await Promise.all(guesses)) {
        expect(errors?.length).toBeGreaterThan(0)
        expect(JSON.stringify(errors)).not.toContain('Did you mean')
      }
    } finally {
      await closed.dispose()
    }
  })

  it('is open to everybody where it is meant to be, and nothing else is', async () => {
    const open = await testGateway({ config: { introspection: 'always' } })
    try {
      const anonymous = (query: string) =>
        open.fetch({ body: JSON.stringify({ query }), headers: { authorization: '' } })
      expect(await (await anonymous(ask)).json()).toMatchObject({
        data: { __schema: { queryType: { name: 'Query' } } },
      })
      for (const query of [
        '{ viewer { name } }',
        `{ viewer { name } ${ask.slice(1)}`,
        '{ ...f } fragment f on Query { viewer { name } }',
      ]) {
        const response = await anonymous(query)
        expect((await response.json()).errors[0].extensions.code).toBe('UNAUTHENTICATED')
      }
    } finally {
      await open.dispose()
    }
  })
})

describe('errors', () => {
  it('are masked when they are bugs, and logged with the reference that the caller gets', async () => {
    const broken = await testGateway()
    try {
      broken.parts.services.profile.attributes = () => Promise.reject(new Error('secret /path/to/file.ts'))
      const { errors, data } = await broken.ask('{ profileAttributes { path } }')
      expect(data).toBeNull()
      expect(errors).toHaveLength(1)
      expect(errors?.[0]).toMatchObject({
        message: 'Unexpected error.',
        path: ['profileAttributes'],
        extensions: { code: 'INTERNAL_SERVER_ERROR' },
      })
      expect(JSON.stringify(errors)).not.toContain('secret')
      const [entry] = broken.logged
      expect(entry?.fields).toMatchObject({ requestId: errors?.[0]?.extensions.requestId })
      expect(String(entry && Object.values(entry.fields))).toContain('secret')
    } finally {
      await broken.dispose()
    }
  })

  it('say when to come back when a resource fails', async () => {
    const { Unavailable } = await import('../../src/domain/errors.ts')
    const full = await testGateway()
    try {
      full.parts.services.profile.attributes = () => Promise.reject(new Unavailable('The disk is full.'))
      const { errors, status, headers } = await full.ask('{ profileAttributes { path } }')
      expect(status).toBe(503)
      expect(headers.get('retry-after')).toBe('5')
      expect(errors?.[0]).toMatchObject({ message: 'The disk is full.', extensions: { code: 'UNAVAILABLE' } })
    } finally {
      await full.dispose()
    }
  })
})

it('an operation that takes too long is answered with TIMEOUT', async () => {
  const slow = await testGateway({ config: { deadlineMs: 50 } })
  try {
    slow.parts.services.profile.attributes = () => new Promise(() => {})
    const { errors } = await slow.ask('{ profileAttributes { path } }')
    expect(errors).toEqual([{ message: 'The operation took too long.', extensions: { code: 'TIMEOUT' } }])
  } finally {
    await slow.dispose()
  }
})
