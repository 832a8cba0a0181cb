// schema.graphql is what others generate code and documentation from.
import { readFileSync } from 'node:fs'
import {
  buildSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  isScalarType,
  isSpecifiedScalarType,
} from 'graphql'
import { expect, it } from 'vitest'
import { sdl } from '../../src/graphql/print-schema.ts'

const text = readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8')
const types = Object.values(buildSchema(text).getTypeMap()).filter(
  (type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type),
)

it('schema.graphql is what the code prints; run `npm run schema` after a change', () => {
  expect(text).toBe(sdl)
})

it('describes every type, field, argument and value, in sentences', () => {
  const all = [...descriptions()]
  expect(all.length).toBeGreaterThan(900)
  const isSentence = (words = '') => /^[^\s].*\s.*\.$/.test(words) && !/^(to-?do|tbd|n\/a)\b/i.test(words)
  expect(all.filter(([, words]) => !isSentence(words))).toEqual([])
})

it('describes nothing by its name alone', () => {
  const wordsOf = (words: string) =>
    words.match(/[a-z]+_|[A-Z]?[a-z]+|[A-Z]+/g)?.map((word) => word.toLowerCase()) ?? []
  const empty = new Set([
    'a',
    'an',
    'the',
    'its',
    'of',
    'this',
    'for',
    'is',
    'field',
    'value',
    'type',
    'input',
  ])
  const echoes = [...descriptions()].filter(([name, description = '']) => {
    const named = wordsOf(name)
    return wordsOf(description).every((word) => empty.has(word) || named.includes(word))
  })
  expect(echoes).toEqual([])
})

it('says what scalars are, and where that is written', () => {
  const scalars = types.filter(isScalarType).map(({ name, specifiedByURL }) => [name, specifiedByURL])
  const rfc = (number: number) => `https://www.rfc-editor.org/rfc/rfc${number}`
  expect(Object.fromEntries(scalars)).toEqual({
    DateTime: rfc(3339),
    Date: rfc(3339),
    JSON: rfc(8259),
    BigInt: undefined, // nobody has specified one with these rules
  })
})

it('has what generators go by: @oneOf, default values, nothing deprecated', () => {
  const oneOf = types.filter((type) => isInputObjectType(type) && type.isOneOf).map(({ name }) => name)
  expect(oneOf).toEqual(['SegmentRuleInput'])
  expect(text).toContain('\ninput SegmentRuleInput @oneOf {')
  expect(text).toContain('\n  delimiter: String = ","\n')
  expect(text).toContain('\n  maxRowsPerFile: Int = 5000000\n')
  expect(text).not.toContain('@deprecated')
})

/** Every schema coordinate with its description. */
function* descriptions(): Generator<[string, string | undefined]> {
  for (const type of types) {
    yield [type.name, type.description ?? undefined]
    if (isEnumType(type)) {
      for (const value of type.getValues())
        yield [`${type.name}.${value.name}`, value.description ?? undefined]
    }
    if (!isObjectType(type) && !isInterfaceType(type) && !isInputObjectType(type)) continue
    for (const field of Object.values(type.getFields())) {
      yield [`${type.name}.${field.name}`, field.description ?? undefined]
      for (const arg of 'args' in field ? field.args : []) {
        yield [`${type.name}.${field.name}(${arg.name}:)`, arg.description ?? undefined]
      }
    }
  }
}
