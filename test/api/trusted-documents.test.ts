import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { getIntrospectionQuery } from 'graphql'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { schema } from '../../src/graphql/schema.ts'
import { trustedDocuments } from '../../src/graphql/trusted-documents.ts'
import { type TestGateway, testGateway } from '../support/api.ts'
import { ways } from '../support/ways.ts'
import { admitted } from '../support/ws-client.ts'

const WHO = 'query Who {\n  viewer { name }\n}'
const WRITE = 'mutation Write($id: ID!) { cancelRun(id: $id) { errors { code } } }'
const WATCH = 'subscription Watch { runUpdated { id } }'
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

let dir = ''
beforeAll(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-documents-'))
})
afterAll(() => fs.rmSync(dir, { recursive: true, force: true }))

function folderWith(files: Record<string, string>): string {
  const folder = fs.mkdtempSync(path.join(dir, 'd-'))
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true })
    fs.writeFileSync(path.join(folder, name), text)
  }
  return folder
}
const read = (folder: string, only = false) => trustedDocuments(folder, { only, schema, maxQueryDepth: 12 })
const files = {
  'who.graphql': `${WHO}\n`,
  'deep/er/write.gql': WRITE,
  'watch.graphql': WATCH,
  'notes.txt': 'no',
}

describe.each([false, true])('trusted documents, where only they are allowed: %s', (only) => {
  let gateway: TestGateway
  let url = ''
  beforeAll(async () => {
    gateway = await testGateway({ documents: read(folderWith(files), only) })
    url = await gateway.serve()
  })
  afterAll(() => gateway.dispose())

  const send = async (address: string, init: RequestInit = {}) => {
    const headers = {
      authorization: `Bearer ${gateway.admin}`,
      'content-type': 'application/json',
      'graphql-require-preflight': '1',
    }
    const response = await fetch(`${url}${address}`, { ...init, headers })
    return { status: response.status, ...(await response.json()) }
  }
  const ask = (address: string, request: object) =>
    send(address, { method: 'POST', body: JSON.stringify(request) })
  const hashed = (text: string) => ({
    extensions: { persistedQuery: { version: 1, sha256Hash: sha256(text) } },
  })
  const codeOf = ({ errors }: { errors?: { extensions: { code: string } }[] }) => errors?.[0]?.extensions.code

  it.each(ways)('are asked for by name, by hash, and as Apollo does, $name', async ({ path: address }) => {
    for (const named of [
      { documentId: 'Who' },
      { documentId: `sha256:${sha256(WHO)}` },
      { documentId: 'Who', operationName: 'Who', query: null },
      hashed(WHO),
      { ...hashed(WHO), query: WHO },
    ]) {
      expect((await ask(address, named)).data, JSON.stringify(named)).toEqual({ viewer: { name: 'admin' } })
    }
    const { data } = await ask(address, { documentId: 'Write', variables: { id: 'run_x' } })
    expect(data).toEqual({ cancelRun: { errors: [{ code: 'NOT_FOUND' }] } })
  })

  it('are asked for by GET, where a mutation stays refused', async () => {
    const hash = encodeURIComponent(JSON.stringify(hashed(WHO).extensions))
    for (const address of ['documentId=Who', `extensions=${hash}`]) {
      expect((await send(`/graphql?${address}`)).data).toEqual({ viewer: { name: 'admin' } })
    }
    expect((await send('/graphql?documentId=Write&variables={"id":"run_x"}')).status).toBe(405)
    expect(codeOf(await send('/graphql?documentId=Absent'))).toBe('PERSISTED_QUERY_NOT_FOUND')
  })

  it('are asked for over WebSocket, with an empty query', async () => {
    const client = await admitted(url, gateway.admin)
    const subscribe = (id: string, payload: object) => client.say({ type: 'subscribe', id, payload })
    subscribe('1', { query: '', documentId: 'Who' })
    subscribe('2', { query: '', ...hashed(WHO) })
    subscribe('3', { query: '', documentId: 'Absent' })
    subscribe('4', { query: '{ viewer { roles } }' })
    for (const id of ['1', '2']) {
      const { payload } = await client.hear((message) => message.id === id && message.type === 'next')
      expect(payload.data).toEqual({ viewer: { name: 'admin' } })
    }
    const absent = await client.hear(({ id }) => id === '3')
    expect(absent.payload[0].extensions.code).toBe('PERSISTED_QUERY_NOT_FOUND')
    const other = await client.hear(({ id }) => id === '4')
    expect(other.type).toBe(only ? 'error' : 'next')
  })

  it.each(ways)('are the only ones, or not, $name', async ({ path: address }) => {
    for (const query of ['{ viewer { name } }', `${WHO} #`, getIntrospectionQuery()]) {
      expect(codeOf(await ask(address, { query }))).toBe(only ? 'TRUSTED_DOCUMENTS_ONLY' : undefined)
    }
    expect((await ask(address, { query: `  ${WHO}\n` })).data).toEqual({ viewer: { name: 'admin' } })
  })

  it.each(ways)(
    'case 33: floods of ids and texts are refused, and nothing is learned, $name',
    async ({ path: address }) => {
      for (let index = 0; index < 500; index += 1) {
        const text = `{ viewer { a${index}: name } }`
        expect(codeOf(await ask(address, hashed(text)))).toBe('PERSISTED_QUERY_NOT_FOUND')
        if (index % 10 === 0) await ask(address, { ...hashed(text), query: text })
        if (index % 10 === 0)
          expect(codeOf(await ask(address, hashed(text)))).toBe('PERSISTED_QUERY_NOT_FOUND')
      }
      for (const documentId of [
        '',
        '__proto__',
        'constructor',
        'x'.repeat(100_000),
        '../who.graphql',
        `sha256:${sha256(WHO).toUpperCase()}`,
      ]) {
        expect(codeOf(await ask(address, { documentId }))).toBe('PERSISTED_QUERY_NOT_FOUND')
      }
      for (const wrong of [
        { documentId: 1 },
        { documentId: 'Who', query: WHO },
        { extensions: { persistedQuery: { sha256Hash: {} } } },
        { extensions: { persistedQuery: null } },
      ]) {
        expect(await ask(address, wrong)).toMatchObject({ status: 400 })
      }
      expect((await ask(address, { documentId: 'Who' })).data).toEqual({ viewer: { name: 'admin' } })
      expect(gateway.logged).toEqual([])
    },
  )
})

describe('without a folder', () => {
  let gateway: TestGateway
  beforeEach(async () => {
    gateway = await testGateway()
  })

  it('clients are told not to ask by hash again', async () => {
    const body = JSON.stringify({ extensions: { persistedQuery: { version: 1, sha256Hash: sha256(WHO) } } })
    const { errors } = await (await gateway.fetch({ body })).json()
    expect(errors[0].extensions.code).toBe('PERSISTED_QUERY_NOT_SUPPORTED')
    await gateway.dispose()
  })
})

describe('a folder that does not fit', () => {
  it('is told at the start with files and lines, all at once', () => {
    const folder = folderWith({
      'a.graphql': 'query A {\n  viewer {\n    nam\n  }\n}',
      'b.graphql': 'query B {\n  viewer {',
      'c.graphql': '{ viewer { name } }',
      'd.graphql': 'query D { viewer { name } } query E { viewer { name } }',
      'e.graphql': `query F { ${'a'.repeat(40_000)} }`,
      'f.graphql': WHO,
      'g.graphql': WHO,
    })
    const told = (() => {
      try {
        return read(folder)
      } catch (error) {
        return String(error)
      }
    })()
    expect(told).toContain('a.graphql:3: Cannot query field "nam" on type "Viewer".')
    expect(told).toMatch(/b\.graphql:2: Syntax Error/)
    expect(told).toContain('c.graphql:1: a file must have one operation, with a name')
    expect(told).toContain('d.graphql:1: a file must have one operation, with a name')
    expect(told).toContain('e.graphql:1: The document must have at most 32768 bytes.')
    expect(told).toContain('g.graphql:1: another file has an operation called Who')
    expect(told).not.toContain('f.graphql')
  })

  it('must be there', () => {
    expect(() => read(path.join(dir, 'nowhere'))).toThrow('ENOENT')
  })
})
