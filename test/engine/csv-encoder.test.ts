import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { csvEncoder } from '../../src/engine/csv-encoder.ts'
import type { EncoderOptions } from '../../src/engine/row-encoder.ts'
import { csvFormat as format } from '../support/export-scene.ts'

const options = (targets: string[], more: Partial<EncoderOptions> = {}): EncoderOptions => ({
  columns: targets.map((target) => ({ target, required: false })),
  hasConsent: false,
  format,
  ...more,
})
const line = (id: number | string, values: unknown[]) => `${id}${JSON.stringify(values)}\n`
const encodeAll = (opts: EncoderOptions, lines: string) => {
  const page = csvEncoder(opts).encode(Buffer.from(lines), 0, Number.POSITIVE_INFINITY)
  return { ...page, text: Buffer.from(page.bytes).toString('utf8') }
}

describe('cells', () => {
  // Case 82 of the faults, from the formula on.
  it.each([
    ['plain', 'plain'],
    ['with, comma', '"with, comma"'],
    ['with "quotes"', '"with ""quotes"""'],
    ['two\r\nlines', '"two\r\nlines"'],
    ['back\\slash', 'back\\slash'],
    ['\u0001 control', '\u0001 control'],
    ['emoji 🎉', 'emoji 🎉'],
    ['=1+1', "'=1+1"],
    ['@cmd', "'@cmd"],
    ['-2+3', "'-2+3"],
    ['+46 70 123', "'+46 70 123"],
    ['\tx', "'\tx"],
    ['\rx', '"\'\rx"'],
    ['＝1', "'＝1"],
    ['＠x', "'＠x"],
    ['ｘ', 'ｘ'],
    ['+46701234567', '+46701234567'],
    ['-12.50', '-12.50'],
    ['"=1', '"""=1"'],
    ['=a,"b"', '"\'=a,""b"""'],
    [-5, '-5'],
    [1.5e21, '1.5e+21'],
    [true, 'true'],
    [null, ''],
  ])('%j is written as %j', (value, expected) => {
    expect(encodeAll(options(['a', 'b']), line(1, [value, 'x'])).text).toBe(`${expected},x\r\n`)
  })

  it('leaves formulas alone when asked to', () => {
    const opts = options(['a'], { format: { ...format, neutralizeFormulas: false } })
    expect(encodeAll(opts, line(1, ['=1+1'])).text).toBe('=1+1\r\n')
  })

  it('writes an empty line of one column as a quoted nothing, so that readers see it', () => {
    expect(encodeAll(options(['a']), line(1, [null])).text).toBe('""\r\n')
  })

  it('tells an empty text from a missing value when asked to', () => {
    const opts = options(['a', 'b'], { format: { ...format, nullValue: 'null', emptyValue: '""' } })
    expect(encodeAll(opts, line(1, ['', null]) + line(2, [null, ''])).text).toBe('"",null\r\nnull,""\r\n')
    const alone = options(['a'], { format: { ...format, emptyValue: '-' } })
    expect(encodeAll(alone, line(1, ['']) + line(2, [null])).text).toBe('-\r\n""\r\n')
  })

  it('have no names above them when asked not to', () => {
    expect(csvEncoder(options(['a'], { format: { ...format, header: false } })).header).toHaveLength(0)
  })

  it('quotes header names like cells', () => {
    expect(Buffer.from(csvEncoder(options(['a,b', 'c'])).header).toString()).toBe('"a,b",c\r\n')
  })
})

describe('rows', () => {
  it('leaves out what may not or cannot leave, and says why', () => {
    const opts = options(['email', 'name'], { hasConsent: true })
    opts.columns[0] = { target: 'email', required: true }
    const page = encodeAll(
      opts,
      line(1, ['a@b', 'A', true]) +
        line(2, [null, 'B', true]) +
        line(3, ['c@b', 'C', false]) +
        line('4d', ['d@b', 'D', true]) +
        line(5, ['e@b', { first: ['x'] }, true]) +
        line(6, ['', 'F', true]) +
        line(7, ['g@b', 'G', null]),
    )
    expect(page.text).toBe('a@b,A\r\n')
    expect(page.rejected.map(({ profileId, reason }) => [profileId, reason])).toEqual([
      [2, 'MISSING_REQUIRED_FIELD'],
      [3, 'NO_CONSENT'],
      [4, 'DUPLICATE'],
      [5, 'INVALID_VALUE'],
      [6, 'MISSING_REQUIRED_FIELD'],
      [7, 'NO_CONSENT'],
    ])
    expect(page.rejected[0]?.detail).toBe('email')
    expect(page.lastProfileId).toBe(7)
  })

  it('stops at the asked number of rows and goes on from there', () => {
    const { encode } = csvEncoder(options(['a', 'b']))
    const lines = Buffer.from([1, 2, 3].map((id) => line(id, [id, 'x'])).join(''))
    const first = encode(lines, 0, 2)
    expect([first.rows, first.lastProfileId]).toEqual([2, 2])
    const second = encode(lines, first.consumed, 2)
    expect(Buffer.from(second.bytes).toString()).toBe('3,x\r\n')
  })
})

describe('CSV written is CSV read back', () => {
  const cell = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.string({
      unit: fc.constantFrom('"', "'", ',', ';', '\\', '\r', '\n', '\t', '=', '+', 'a', 'é', '🎉'),
      maxLength: 8,
    }),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.constant(null),
  )
  const dialect = fc.record({
    delimiter: fc.constantFrom(',', ';', '\t', '|', ':'),
    quoting: fc.constantFrom(['"', '"'], ["'", "'"], ['"', '\\']),
    nullValue: fc.constantFrom('', 'null', '\\N'),
    emptyValue: fc.constantFrom('', '-', 'an empty text'),
  })
  it('by csv-parse, in every dialect, whatever the cells hold', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(cell, cell, cell), { minLength: 1, maxLength: 30 }),
        dialect,
        (rows, d) => {
          const [quote, escaping] = d.quoting as [string, string]
          const opts = options(['a', 'b', 'c'], {
            format: {
              ...format,
              delimiter: d.delimiter,
              quote,
              escape: escaping,
              nullValue: d.nullValue,
              emptyValue: d.emptyValue,
              neutralizeFormulas: false,
            },
          })
          const { text } = encodeAll(opts, rows.map((row, index) => line(index + 1, row)).join(''))
          const read = parse(text, {
            delimiter: d.delimiter,
            quote,
            escape: escaping,
            record_delimiter: '\r\n',
          })
          const asText = (value: unknown) =>
            value === null
              ? d.nullValue
              : typeof value === 'string'
                ? value || d.emptyValue
                : JSON.stringify(value)
          expect(read).toEqual(rows.map((row) => row.map(asText)))
        },
      ),
      { numRuns: 500 },
    )
  })
})
