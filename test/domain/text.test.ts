import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkDescription, checkName, checkPath, checkText, normalizeName } from '../../src/domain/text.ts'

const path = ['input', 'name']

describe('names', () => {
  it.each(['a', ' padded ', '😀'.repeat(255), 'שלום עולם', 'a\u202Eb', "'; drop table segments; --"])(
    'takes %j',
    (value) => {
      expect(checkName(value, path)).toEqual([])
    },
  )

  it.each([
    ['', 'The name must have between 1 and 255 characters.'],
    [' \t\n ', 'The name must have between 1 and 255 characters.'],
    ['😀'.repeat(256), 'The name must have between 1 and 255 characters.'],
    ['a'.repeat(100_000), 'The name must have between 1 and 255 characters.'],
    ['a\u0000b', 'The name must not contain control characters, such as line breaks.'],
    ['a\r\nb', 'The name must not contain control characters, such as line breaks.'],
    ['a\u0085b', 'The name must not contain control characters, such as line breaks.'],
    ['\ud83d', 'The name must be well-formed Unicode, without half surrogate pairs.'],
  ])('refuses %j and states the rule', (value, message) => {
    expect(checkName(value, path)).toEqual([{ code: 'INVALID_INPUT', message, path }])
  })

  it('are stored without the white space around them', () => {
    expect(normalizeName('  a b \n')).toBe('a b')
  })

  it('have a length in code points', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 40 }), (value, max) => {
        fc.pre(value.trim() !== '' && !/\p{Cc}/u.test(value))
        expect(checkText({ value, path, max, what: 'It' }).length).toBe([...value].length > max ? 1 : 0)
      }),
    )
  })
})

describe('descriptions', () => {
  it('may be empty, absent or of several lines', () => {
    for (const value of ['', null, undefined, 'one\n\ttwo']) expect(checkDescription(value, path)).toEqual([])
  })

  it('have at most 2,000 characters and no NUL', () => {
    expect(checkDescription('a'.repeat(2001), path)[0]?.message).toContain('at most 2000')
    expect(checkDescription('a\u0000', path)[0]?.message).toContain('other than line breaks and tabs')
  })
})

describe('attribute paths', () => {
  it.each(['email', 'person.name.firstName', '_id', 'Straße.größe', 'a b.c-d', 'constructor'])(
    'takes %j',
    (value) => {
      expect(checkPath(value, path)).toEqual([])
    },
  )

  it.each(['', '.', 'a.', '.a', 'a..b', 'a. b', 'a"b', 'a\\b', 'a\u0000', '__proto__.x', 'x'.repeat(256)])(
    'refuses %j',
    (value) => {
      expect(checkPath(value, path)).toMatchObject([{ code: 'INVALID_INPUT', path }])
    },
  )
})
