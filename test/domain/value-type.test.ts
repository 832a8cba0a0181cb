import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KIND, kindOf, kindOfJson, typeOf } from '../../src/domain/value-type.ts'

const columnType = (...cells: string[]) => typeOf(cells.reduce((kinds, cell) => kinds | kindOf(cell), 0))

describe('kindOf', () => {
  it.each([
    ['0', KIND.NUMBER],
    ['-0', KIND.NUMBER],
    ['42', KIND.NUMBER],
    ['-1.50', KIND.NUMBER],
    ['1e5', KIND.NUMBER],
    ['9007199254740991', KIND.NUMBER],
    ['9007199254740992', KIND.DIGITS],
    ['00123', KIND.DIGITS],
    ['-00123', KIND.DIGITS],
    ['+46701234567', KIND.DIGITS],
    ['1e400', KIND.TEXT],
    ['1e300', KIND.TEXT],
    ['NaN', KIND.TEXT],
    ['Infinity', KIND.TEXT],
    ['0x10', KIND.TEXT],
    ['.5', KIND.TEXT],
    ['5.', KIND.TEXT],
    ['1,5', KIND.TEXT],
    [' 42', KIND.TEXT],
    ['-', KIND.TEXT],
    ['true', KIND.BOOLEAN],
    ['True', KIND.BOOLEAN],
    ['FALSE', KIND.BOOLEAN],
    ['tRUE', KIND.TEXT],
    ['yes', KIND.TEXT],
    ['', KIND.NONE],
    [' \t\u00a0', KIND.NONE],
    ['2023-02-28', KIND.DATE],
    ['2024-02-29', KIND.DATE],
    ['1900-02-29', KIND.TEXT],
    ['2023-02-30', KIND.TEXT],
    ['2023-13-01', KIND.TEXT],
    ['2023-00-10', KIND.TEXT],
    ['2005-08-22T20:03:46Z', KIND.DATE],
    ['2005-08-22 20:03', KIND.DATE],
    ['2005-08-22T20:03:46.123+02:00', KIND.DATE],
    ['2005-08-22T24:00:00Z', KIND.TEXT],
    ['2005-08-22T20:03:60Z', KIND.TEXT],
    ['2005-08-22T', KIND.TEXT],
    ['20050822', KIND.NUMBER],
    ['22.08.2005', KIND.TEXT],
  ])('%j is of kind %d', (text, kind) => {
    expect(kindOf(text)).toBe(kind)
  })

  it('takes every finite number as JavaScript prints it, unless an integer is too large to be exact', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const isExact = !Number.isInteger(value) || Number.isSafeInteger(value)
        expect(kindOf(String(value)) === KIND.NUMBER).toBe(isExact)
      }),
    )
  })

  it('takes every date that JavaScript prints', () => {
    const years = { min: new Date('0000-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }
    fc.assert(
      fc.property(fc.date(years), (date) => {
        expect(kindOf(date.toISOString())).toBe(KIND.DATE)
      }),
    )
  })
})

describe('the type of a column', () => {
  it.each([
    [['1', '', '2.5'], 'NUMBER'],
    [['true', 'FALSE', ' '], 'BOOLEAN'],
    [['2023-01-01', '2023-01-01T10:00Z'], 'DATE_TIME'],
    [['a', 'b'], 'STRING'],
    [['00123', '456'], 'STRING'],
    [['+46701', '46701'], 'STRING'],
    [['12345678901234567890', '7'], 'STRING'],
    [['00123', 'SW1A'], 'STRING'],
    [['1', 'one'], 'MIXED'],
    [['1', '00123', 'one'], 'MIXED'],
    [['true', '1'], 'MIXED'],
    [['true', 'yes'], 'MIXED'],
    [['2023-01-01', 'n/a'], 'MIXED'],
    [['2023-01-01', '5'], 'MIXED'],
    [['', ' '], null],
  ])('%j is %s', (cells, type) => {
    expect(columnType(...cells)).toBe(type)
  })

  it('does not depend on the order of the cells', () => {
    const cell = fc.constantFrom('1', '00123', 'true', '2023-01-01', 'word', '')
    fc.assert(
      fc.property(fc.array(cell), (cells) => {
        expect(columnType(...cells)).toBe(columnType(...cells.toReversed()))
      }),
    )
  })
})

describe('kindOfJson', () => {
  it('takes values as they are, and lists as something else', () => {
    const kinds = ['1', 1, true, '2023-01-01', [], {}, null].map(kindOfJson)
    expect(kinds).toEqual([KIND.TEXT, KIND.NUMBER, KIND.BOOLEAN, KIND.DATE, KIND.OTHER, KIND.NONE, KIND.NONE])
  })
})
