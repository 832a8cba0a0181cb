import { describe, expect, it } from 'vitest'
import { Refusal } from '../../src/domain/errors.ts'
import type { Rule } from '../../src/domain/model.ts'
import { segmentsNamedIn } from '../../src/domain/rule.ts'
import { checkRule } from '../../src/domain/rule-check.ts'
import { parseInstant } from '../../src/domain/rule-instant.ts'
import { evaluationOrder } from '../../src/domain/rule-order.ts'
import { printRule } from '../../src/domain/rule-text.ts'
import { matchRule } from '../support/rule-match.ts'

const leaf = (path: string, operator: string, value?: unknown) => ({ attribute: { path, operator, value } })
const errorsOf = (input: unknown) => checkRule(input, ['input', 'rule']).errors ?? []
const context = { now: new Date('2023-01-10T00:00:00Z'), isMember: () => false }
const matches = (rule: unknown, attributes: Record<string, unknown>) => {
  const checked = checkRule(rule, [])
  if (checked.errors) throw new Refusal(checked.errors)
  return matchRule(checked.rule, attributes, context)
}

describe('checkRule', () => {
  it('points at every violation at once', () => {
    const input = {
      all: [
        leaf('country', 'EQUALS', 'India'),
        { any: [] },
        leaf('a..b', 'LESS_THAN', true),
        { not: leaf('x', 'LIKE', 'y'), all: [] },
      ],
    }
    expect(errorsOf(input).map((error) => error.path.join('.'))).toEqual([
      'input.rule.all.1.any',
      'input.rule.all.2.attribute.path',
      'input.rule.all.2.attribute.value',
      'input.rule.all.3',
    ])
  })

  it.each([
    ['no form', {}],
    ['null', null],
    ['a form that is null', { all: null }],
    ['a list', [leaf('a', 'EXISTS')]],
    ['an unknown form', { none: [] }],
    ['a path through __proto__', leaf('a.__proto__', 'EXISTS')],
    ['a path through constructor', leaf('constructor.name', 'EXISTS')],
    ['a path with a NUL', leaf('a\0b', 'EXISTS')],
    ['an empty path', leaf('', 'EXISTS')],
    ['a path of 256 characters', leaf('😀'.repeat(256), 'EXISTS')],
    ['a value where none belongs', leaf('a', 'EXISTS', 1)],
    ['no value', leaf('a', 'EQUALS')],
    ['an object as value', leaf('a', 'EQUALS', {})],
    ['NaN', leaf('a', 'EQUALS', Number.NaN)],
    ['infinity', leaf('a', 'GREATER_THAN', Number.POSITIVE_INFINITY)],
    ['an empty list', leaf('a', 'IN', [])],
    ['a scalar for IN', leaf('a', 'IN', 'x')],
    ['a list in a list', leaf('a', 'IN', [['x']])],
    ['an empty needle', leaf('a', 'CONTAINS', '')],
    ['a number as needle', leaf('a', 'STARTS_WITH', 1)],
    ['zero days', leaf('a', 'WITHIN_LAST_DAYS', 0)],
    ['too many days', leaf('a', 'WITHIN_LAST_DAYS', 36_501)],
    ['a day that does not exist', leaf('a', 'BEFORE', '2023-02-30')],
    ['a text that is no date', leaf('a', 'AFTER', 'yesterday')],
    ['half a surrogate pair', leaf('a', 'EQUALS', '\ud83d')],
    ['a NUL', leaf('a', 'EQUALS', 'x\0')],
    ['a text of 1,001 characters', leaf('a', 'EQUALS', 'x'.repeat(1001))],
    ['an unknown field', { attribute: { path: 'a', operator: 'EXISTS', values: 1 } }],
    ['a segment that is no id', { segment: 1 }],
  ])('refuses %s', (_, input) => {
    expect(errorsOf(input)).toHaveLength(1)
  })

  it('allows a path of 255 emoji, and what Object.prototype holds under other names', () => {
    expect(errorsOf(leaf('😀'.repeat(255), 'EXISTS'))).toEqual([])
    expect(matches(leaf('toString', 'EXISTS'), {})).toBe(false)
  })

  it('bounds depth, conditions and lists, and says by how much', () => {
    let deep: unknown = leaf('a', 'EXISTS')
    for (let depth = 1; depth < 10; depth++) deep = { not: deep }
    expect(errorsOf(deep)).toEqual([])
    expect(errorsOf({ not: deep })).toMatchObject([{ code: 'LIMIT_EXCEEDED', limit: 10 }])
    const wide = (count: number) => ({ any: Array.from({ length: count }, () => leaf('a', 'EXISTS')) })
    expect(errorsOf(wide(500))).toEqual([])
    expect(errorsOf(wide(501))).toMatchObject([{ code: 'LIMIT_EXCEEDED', limit: 500, requested: 501 }])
    const list = (count: number) => leaf('a', 'IN', Array(count).fill(1))
    expect(errorsOf(list(1000))).toEqual([])
    expect(errorsOf(list(1001))).toMatchObject([
      { limit: 1000, requested: 1001, path: expect.arrayContaining(['value']) },
    ])
  })

  it('keeps nothing but the rule', () => {
    const node = Object.assign(Object.create(null), { all: [leaf('a', 'EXISTS', null)], any: undefined })
    expect(checkRule(node, [])).toEqual({ rule: { all: [{ attribute: { path: 'a', operator: 'EXISTS' } }] } })
  })
})

describe('matchRule', () => {
  it('takes a missing or null value as false, but for the three negations', () => {
    for (const attributes of [{}, { a: null }, { a: { c: 1 } }]) {
      expect(matches(leaf('a.b', 'EQUALS', 1), attributes)).toBe(false)
      expect(matches({ not: leaf('a.b', 'GREATER_THAN', 1) }, attributes)).toBe(true)
      expect(matches(leaf('a.b', 'NOT_EQUALS', 1), attributes)).toBe(true)
      expect(matches(leaf('a.b', 'NOT_IN', [1]), attributes)).toBe(true)
      expect(matches(leaf('a.b', 'NOT_EXISTS'), attributes)).toBe(true)
    }
  })
  it('tells types apart', () => {
    expect(matches(leaf('a', 'EQUALS', 1), { a: '1' })).toBe(false)
    expect(matches(leaf('a', 'EQUALS', true), { a: 1 })).toBe(false)
    expect(matches(leaf('a', 'GREATER_THAN', 5), { a: '9' })).toBe(false)
    expect(matches(leaf('a', 'EXISTS'), { a: [] })).toBe(true)
    expect(matches(leaf('a', 'CONTAINS', 'x'), { a: ['x'] })).toBe(false)
  })
  it('compares dates as instants and other texts by code point', () => {
    expect(matches(leaf('a', 'EQUALS', '2023-01-01'), { a: '2023-01-01T00:00:00Z' })).toBe(false)
    expect(matches(leaf('a', 'GREATER_OR_EQUAL', '2023-01-01'), { a: '2023-01-01T02:00+02:00' })).toBe(true)
    expect(matches(leaf('a', 'LESS_THAN', '😀'), { a: 'ﬁ' })).toBe(true)
  })
  it('counts the last days up to now', () => {
    const within = (a: string) => matches(leaf('a', 'WITHIN_LAST_DAYS', 2), { a })
    expect(within('2023-01-08T00:00:00.001Z')).toBe(true)
    expect(within('2023-01-08')).toBe(false)
    expect(within('2023-01-10')).toBe(true)
    expect(within('2023-01-10T00:00:00.001Z')).toBe(false)
  })
})

describe('parseInstant', () => {
  it.each([
    '2023-02-30',
    '2023-01-01x',
    '2023-01-01T24:00',
    '2023-01-01T00:00:60',
    '2023-13-01',
    '20230101',
    '',
  ])('reads no instant in %j', (text) => expect(parseInstant(text)).toBeNull())
  it('reads zones and cuts after the millisecond', () => {
    expect(parseInstant('2023-01-01T01:30:00.0019+01:30')).toBe(Date.UTC(2023, 0, 1, 0, 0, 0, 1))
  })
})

describe('printRule', () => {
  const print = (rule: unknown) => printRule(checkRule(rule, []).rule!, (id) => (id === 'seg_1' ? 'VIP' : id))
  it.each<[unknown, string]>([
    [
      {
        all: [
          leaf('active', 'EQUALS', true),
          leaf('country', 'IN', ['India', 'China']),
          leaf('rentals', 'GREATER_OR_EQUAL', 30),
        ],
      },
      'active = true and (country in ("India", "China")) and rentals >= 30',
    ],
    [
      {
        all: [
          { not: leaf('store_id', 'EQUALS', 1) },
          leaf('last_rental_at', 'GREATER_OR_EQUAL', '2005-08-23T00:00:00Z'),
        ],
      },
      'not (store_id = 1) and last_rental_at >= 2005-08-23T00:00:00Z',
    ],
    [leaf('TotalCharges', 'EXISTS'), 'TotalCharges exists'],
    [{ segment: 'seg_1' }, 'member of "VIP"'],
    [
      {
        any: [
          { all: [leaf('a', 'EXISTS'), leaf('b', 'CONTAINS', 'x')] },
          leaf('my name', 'WITHIN_LAST_DAYS', 7),
        ],
      },
      '(a exists and b contains "x") or "my name" within last 7 days',
    ],
  ])('%j', (rule, line) => expect(print(rule)).toBe(line))

  it('cuts a long line after 2,000 characters', () => {
    const line = print({ any: Array.from({ length: 100 }, () => leaf('a', 'EQUALS', '😀'.repeat(50))) })
    expect([...line]).toHaveLength(2000)
    expect(line.endsWith('…')).toBe(true)
  })
})

describe('segments that name each other', () => {
  const segment = (id: string, ...names: string[]) => {
    const rule: Rule = {
      any: [...names.map((name) => ({ segment: name })), { attribute: { path: 'a', operator: 'EXISTS' } }],
    }
    return { id, name: id.toUpperCase(), rule }
  }
  it('are found in a rule, each once', () => {
    expect(
      segmentsNamedIn({ all: [{ segment: 'a' }, { not: { any: [{ segment: 'b' }, { segment: 'a' }] } }] }),
    ).toEqual(['a', 'b'])
  })
  it('are evaluated after those they name', () => {
    const ordered = evaluationOrder([
      segment('a', 'c', 'b'),
      segment('b', 'c'),
      segment('c', 'elsewhere'),
      segment('d'),
    ])
    expect(ordered.map(({ id }) => id)).toEqual(['c', 'b', 'a', 'd'])
  })
  it('may not do so in a circle', () => {
    const circle = () => evaluationOrder([segment('x', 'a'), segment('a', 'b'), segment('b', 'a')])
    expect(circle).toThrow('"A" → "B" → "A"')
    expect(circle).toThrow(Refusal)
  })
})
