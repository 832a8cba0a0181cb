// Random rules and profiles that meet: both draw their paths and values from the same small pools.
import fc from 'fast-check'
import type { AttributeOperator, Rule, Scalar } from '../../src/domain/model.ts'

export const SEGMENT_IDS = ['seg_a', 'seg_b', 'seg_without_snapshot']

const steps = ['a', 'b', 'é', '😀', 'x y', '0', '[1]', "it's", '$', 'length']
const step = fc.constantFrom(...steps)
const path = fc.array(step, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('.'))

export const dates = [
  '2023-01-01',
  '2023-02-28',
  '2023-02-30',
  '2024-02-29',
  '2023-02-29',
  '2023-04-31',
  '2023-1-1',
  '2023-01-01garbage',
  ' 2023-01-01',
  '2023-01-01T00:00',
  '2023-01-01 00:00:00',
  '2023-01-01T00:00:00Z',
  '2023-01-01T00:00:00.000Z',
  '2022-12-31T23:59:59.9999Z',
  '2023-01-01T00:00:00.1',
  '2023-01-01T02:00:00+02:00',
  '2022-12-31T18:30:00.000000001-05:30',
  '2023-01-01T24:00:00Z',
  '2023-01-01T23:59:60Z',
  '2023-01-01T10:00:00+24:00',
  '2023-01-01T10:00:00+14:60',
  '2023-01-01T10:00z',
  '2023-01-01T10',
  '2023-01-01T10:00:00.Z',
  '2023-01-01T10:00:00.1234567890Z',
  '2023-13-01',
  '2023-00-10',
  '2023-01-00',
  '0000-01-01',
  '9999-12-31T23:59:59.999Z',
  'now',
  '2459946.5',
]
export const anyDate = fc
  .date({ min: new Date('1900-01-01'), max: new Date('2100-01-01'), noInvalidDate: true })
  .chain((date) =>
    fc.constantFrom(
      date.toISOString(),
      date.toISOString().slice(0, 10),
      date.toISOString().replace(/\.\d+Z/, ''),
      date.toISOString().replace(/\.\d+Z/, '-03:30'),
      date.toISOString().slice(0, 16).replace('T', ' '),
    ),
  )
const texts = [
  '',
  'a',
  'A',
  'abc',
  '1',
  'true',
  "'",
  '"',
  '%',
  '_',
  'a%c',
  'é',
  'ﬁ',
  '😀',
  'ﬁ😀',
  '\\',
  '[1]',
  '{"a":1}',
  'null',
]
const text = fc.oneof(
  fc.constantFrom(...texts),
  fc.constantFrom(...dates),
  anyDate,
  fc.string({ unit: 'grapheme', maxLength: 4 }),
  fc.string({ unit: fc.constantFrom('a', 'b', '😀', 'ﬁ', '\n'), maxLength: 4 }),
)
const numbers = [
  0,
  -0,
  1,
  -1,
  0.1,
  0.3,
  0.1 + 0.2,
  2 ** 53,
  2 ** 53 + 2,
  -(2 ** 53),
  1e21,
  1e-7,
  5e-324,
  1.7976931348623157e308,
  2 ** 63,
  20230101,
]
const number = fc.oneof(
  fc.constantFrom(...numbers),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer({ min: -3, max: 3 }),
  fc.maxSafeInteger(),
)
const scalar: fc.Arbitrary<Scalar> = fc.oneof(text, number, fc.boolean())

export const profile: fc.Arbitrary<Record<string, unknown>> = fc.letrec((tie) => ({
  value: fc.oneof(
    { weight: 6, arbitrary: scalar },
    { weight: 1, arbitrary: fc.constant(null) },
    { weight: 2, arbitrary: tie('object') },
    { weight: 1, arbitrary: fc.array(tie('value'), { maxLength: 2 }) },
  ),
  object: fc.dictionary(step, tie('value'), { maxKeys: 5, noNullPrototype: true }),
})).object as fc.Arbitrary<Record<string, unknown>>

const withValue = (
  operators: AttributeOperator[],
  value: fc.Arbitrary<Scalar | Scalar[]>,
): fc.Arbitrary<Rule> =>
  fc.record({ path, operator: fc.constantFrom(...operators), value }).map((attribute) => ({ attribute }))
const leaf: fc.Arbitrary<Rule> = fc.oneof(
  withValue(['EQUALS', 'NOT_EQUALS'], scalar),
  withValue(['LESS_THAN', 'LESS_OR_EQUAL', 'GREATER_THAN', 'GREATER_OR_EQUAL'], fc.oneof(text, number)),
  withValue(['IN', 'NOT_IN'], fc.array(scalar, { minLength: 1, maxLength: 5 })),
  withValue(
    ['CONTAINS', 'STARTS_WITH', 'ENDS_WITH'],
    text.filter((value) => value !== ''),
  ),
  withValue(
    ['WITHIN_LAST_DAYS'],
    fc.oneof(fc.constantFrom(0.5, 1, 365, 36_500), fc.double({ min: 0.001, max: 36_500, noNaN: true })),
  ),
  withValue(
    ['BEFORE', 'AFTER'],
    fc.oneof(anyDate, fc.constantFrom('2023-01-01', '2023-01-01T02:00:00+02:00')),
  ),
  fc
    .record({ path, operator: fc.constantFrom<AttributeOperator>('EXISTS', 'NOT_EXISTS') })
    .map((attribute) => ({ attribute })),
  fc.constantFrom(...SEGMENT_IDS).map((segment) => ({ segment })),
)
export const rule: fc.Arbitrary<Rule> = fc.letrec<{ rule: Rule }>((tie) => ({
  rule: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    leaf,
    fc.array(tie('rule'), { minLength: 1, maxLength: 3 }).map((all) => ({ all })),
    fc.array(tie('rule'), { minLength: 1, maxLength: 3 }).map((any) => ({ any })),
    tie('rule').map((not) => ({ not })),
  ),
})).rule
