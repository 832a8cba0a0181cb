import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { importProfiles } from '../../src/services/import.ts'
import type { RejectedRow } from '../../src/services/import-records.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { profilesOf } from '../support/profiles.ts'

let test: TestDatabase
beforeEach(async () => {
  test = await testDatabase()
})
afterEach(() => test.dispose())

async function ndjson(lines: (string | object)[], key = 'id') {
  const rejections: RejectedRow[] = []
  const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n')
  const result = await importProfiles({
    database: test.database,
    sandboxId: test.sandboxId,
    key,
    format: 'ndjson',
    input: Readable.from([Buffer.from(text)]),
    onRejected: (row) => rejections.push(row),
  })
  return { ...result, rejections }
}
const nested = (depth: number): unknown => (depth === 0 ? 1 : { a: nested(depth - 1) })

it('keeps values as JSON has them, and merges by key', async () => {
  const first = { id: 7, n: '00123', list: [1, { a: null }], person: { name: 'Åsa', city: 'Lund' } }
  const second = { id: '7', n: null, person: { city: 'Malmö' } }
  expect(await ndjson([first, '', second])).toMatchObject({ inserted: 1, updated: 1, rejected: 0 })
  expect(await profilesOf(test.database)).toEqual([
    { key: '7', attributes: { id: '7', list: [1, { a: null }], person: { name: 'Åsa', city: 'Malmö' } } },
  ])
})

it('finds the key at a dotted path', async () => {
  await ndjson([{ person: { mail: 'a@example.org' } }], 'person.mail')
  expect((await profilesOf(test.database))[0]?.key).toBe('a@example.org')
})

it('tells the type of every attribute', async () => {
  const { columns } = await ndjson([
    { id: 1, a: true, b: { c: 'x' } },
    { id: 2, a: 1, b: { c: '2020-01-01' } },
  ])
  expect(columns).toEqual([
    { path: 'id', type: 'NUMBER' },
    { path: 'a', type: 'MIXED' },
    { path: 'b.c', type: 'MIXED' },
  ])
})

describe('rejects a line with its number, and keeps the rest:', () => {
  it.each([
    ['no JSON', '{"id":"x"', 'not JSON'],
    ['a list', '["x"]', 'object'],
    ['a text', '"x"', 'object'],
    ['null', 'null', 'object'],
    ['no key', '{"x":1}', 'no key'],
    ['a null key', '{"id":null}', 'no key'],
    ['a blank key', '{"id":" "}', 'no key'],
    ['a key that is true', '{"id":true}', 'no key'],
    ['a key that is an object', '{"id":{}}', 'no key'],
    ['__proto__', '{"id":"x","__proto__":{"a":1}}', '__proto__'],
    ['__proto__ twice', '{"id":"x","a":{"__proto__":1,"__proto__":2}}', '__proto__'],
    ['constructor', '{"id":"x","constructor":1}', 'constructor'],
    ['a name with a dot', '{"id":"x","a.b":1}', 'cannot be reached'],
    ['an empty name', '{"id":"x","":1}', 'between 1 and'],
    ['an endless number', '{"id":"x","a":1e400}', 'too large'],
    ['an integer that loses digits', '{"id":12345678901234567890}', 'too large'],
    ['half a surrogate pair', '{"id":"x","a":"\\ud800"}', 'surrogate'],
    ['an escaped NUL', '{"id":"x","a":["\\u0000"]}', 'NUL'],
    ['nesting without end', JSON.stringify({ id: 'x', a: nested(8) }), 'at most 8 deep'],
    ['a line that is too long', JSON.stringify({ id: 'x', a: 'x'.repeat(1_100_000) }), 'longer'],
  ])('%s', async (_, line, reason) => {
    const result = await ndjson([{ id: 'a' }, line, { id: 'b', deep: nested(7) }])
    expect(result).toMatchObject({ inserted: 2, rejected: 1 })
    expect(result.rejections).toMatchObject([{ line: 2, reason: expect.stringContaining(reason) }])
    expect(({} as { a?: unknown }).a).toBeUndefined()
  })
})
