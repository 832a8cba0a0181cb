import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { jsonEncoder } from '../../src/engine/json-encoder.ts'
import type { EncoderOptions } from '../../src/engine/row-encoder.ts'
import { csvFormat } from '../support/export-scene.ts'

const options = (targets: string[], more: Partial<EncoderOptions> = {}): EncoderOptions => ({
  columns: targets.map((target) => ({ target, required: false })),
  hasConsent: false,
  format: { ...csvFormat, type: 'JSON' },
  ...more,
})
const line = (id: number | string, values: unknown[]) => `${id}${JSON.stringify(values)}\n`
const encodeAll = (opts: EncoderOptions, lines: string) => {
  const page = jsonEncoder(opts).encode(Buffer.from(lines), 0, Number.POSITIVE_INFINITY)
  return { ...page, text: Buffer.from(page.bytes).toString('utf8') }
}

describe('JSON lines', () => {
  it('keep types, and say null for what is missing', () => {
    const { text } = encodeAll(
      options(['name', 'total', 'is new', 'tags', 'none']),
      line(1, ['=1+1 "é🎉"', 12.5, true, ['a', { b: ']' }], null]),
    )
    expect(text).toBe(
      '{"name":"=1+1 \\"é🎉\\"","total":12.5,"is new":true,"tags":["a",{"b":"]"}],"none":null}\n',
    )
  })

  it('leave out what may not leave, and say why', () => {
    const opts = options(['email', 'name'], { hasConsent: true })
    opts.columns[0] = { target: 'email', required: true }
    const page = encodeAll(
      opts,
      line(1, ['a@b', 'A', true]) +
        line(2, [null, 'B', true]) +
        line(3, ['c@b', 'C', false]) +
        line('4d', ['d@b', 'D', true]) +
        line(5, ['', 'E', true]) +
        line(6, ['f@b', { first: 'F' }, true]) +
        line(7, ['g@b', 'G', null]),
    )
    expect(page.text).toBe('{"email":"a@b","name":"A"}\n{"email":"f@b","name":{"first":"F"}}\n')
    expect(page.rejected).toEqual([
      { profileId: 2, reason: 'MISSING_REQUIRED_FIELD', detail: 'email' },
      { profileId: 3, reason: 'NO_CONSENT', detail: null },
      { profileId: 4, reason: 'DUPLICATE', detail: null },
      { profileId: 5, reason: 'MISSING_REQUIRED_FIELD', detail: 'email' },
      { profileId: 7, reason: 'NO_CONSENT', detail: null },
    ])
  })

  it('are read back as what they were written from, whatever that was, in pages cut anywhere', () => {
    const value = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.string({ unit: fc.constantFrom('"', '\\', '[', ']', '{', '}', ',', '\n', 'é'), maxLength: 8 }),
      fc.jsonValue({ maxDepth: 2 }),
    )
    const targets = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 8 }), { minLength: 2, maxLength: 2 })
    fc.assert(
      fc.property(
        fc.array(fc.tuple(value, value), { minLength: 1, maxLength: 20 }),
        targets,
        fc.integer({ min: 1, max: 20 }),
        (rows, names, maxRows) => {
          const { encode } = jsonEncoder(options(names))
          const lines = Buffer.from(rows.map((row, index) => line(index + 1, row)).join(''))
          const read: unknown[] = []
          for (let offset = 0; offset < lines.length; ) {
            const page = encode(lines, offset, maxRows)
            const texts = Buffer.from(page.bytes).toString().split('\n').slice(0, -1)
            expect(texts).toHaveLength(page.rows)
            read.push(...texts.map((text) => Object.entries(JSON.parse(text))))
            offset = page.consumed
          }
          const asWritten = JSON.parse(JSON.stringify(rows)) as [unknown, unknown][] // -0 is 0
          const sorted = (entries: [string, unknown][]) => entries.sort(([a], [b]) => (a < b ? -1 : 1))
          expect((read as [string, unknown][][]).map(sorted)).toEqual(
            asWritten.map((row) => sorted(names.map((name, column) => [name, row[column]]))),
          )
        },
      ),
      { numRuns: 300 },
    )
  })
})
