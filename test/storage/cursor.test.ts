import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Refusal } from '../../src/domain/errors.ts'
import { cursorsOf } from '../../src/storage/cursor.ts'

const LIST = ['segments', 'sbx_1', { search: 'a' }]

it('leads back to any place of its list', () => {
  const { encode, decode } = cursorsOf(LIST)
  const value = fc.oneof(fc.string({ unit: 'grapheme' }), fc.integer())
  fc.assert(
    fc.property(value, fc.string(), (at, id) => {
      expect(decode(encode(at, id), 'after', typeof at as 'string' | 'number')).toEqual([at, id])
    }),
  )
})

it('is good for the same list however absent conditions are written, and for no other', () => {
  const cursor = cursorsOf(LIST).encode('x', 'seg_1')
  const same = ['segments', 'sbx_1', { search: 'a', status: null, ids: undefined }]
  expect(cursorsOf(same).decode(cursor, 'after', 'string')).toEqual(['x', 'seg_1'])
  for (const other of [['segments', 'sbx_2', { search: 'a' }], ['segments', 'sbx_1', {}], ['segments']]) {
    expect(() => cursorsOf(other).decode(cursor, 'after', 'string'), JSON.stringify(other)).toThrow(Refusal)
  }
})

it('refuses whatever else it is given, the right checksum over nonsense included', () => {
  const { encode, decode } = cursorsOf(LIST)
  const sum = (text: string) => crc32(text, crc32(JSON.stringify(LIST))).toString(36)
  const forged = [
    '[',
    '[]',
    '[{},"x"]',
    '[1]',
    '[null,"x"]',
    '[1e999,"x"]',
    '[["x"],"x"]',
    '["x",5]',
    '["x","x"]',
    '[1,"\\u0000"]',
    '[1e300,"x"]',
  ]
  const texts = forged.map((text) => Buffer.from(sum(text) + text).toString('base64url'))
  expect(decode(Buffer.from(`${sum('[1,"x"]')}[1,"x"]`).toString('base64url'), 'after', 'number')).toEqual([
    1,
    'x',
  ])
  const cursor = encode('x', 'seg_1')
  for (const text of [...texts, '', '\0', '\ud800', 'x'.repeat(100_000), cursor.slice(1), `A${cursor}`]) {
    expect(() => decode(text, 'before', 'number'), text.slice(0, 40)).toThrow(
      'before is not a cursor of this list',
    )
  }
})
