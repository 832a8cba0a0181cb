import { expect, it } from 'vitest'
import { profileRows } from '../../src/engine/profile-rows.ts'

const columns = [
  { target: 'EMAIL', required: true },
  { target: 'AGE', required: false },
]
const rows = (text: string, hasConsent = false) => profileRows(Buffer.from(text), { columns, hasConsent })

it('gives the values of each line under the id of its profile, whatever they are', () => {
  const lines = '7["a@x",41.5]\n12["b,\\"[]d\\n\\u00e9😀",true]\n4503599627370496["c@x",null]\n'
  expect(rows(lines)).toEqual([
    { profileId: 7, values: ['a@x', 41.5] },
    { profileId: 12, values: ['b,"[]d\né😀', true] },
    { profileId: 4503599627370496, values: ['c@x', null] },
  ])
})

it('keeps a whole number that JavaScript would round, as a text', () => {
  expect(rows('1["a@x",12345678901234567890]\n')).toEqual([
    { profileId: 1, values: ['a@x', '12345678901234567890'] },
  ])
})

it('says why a profile may not leave, first of all that it did not agree', () => {
  const lines = [
    '1["a@x",1,true]',
    '2[null,1,true]',
    '3["",1,true]',
    '4["a@x",[1],true]',
    '5d["a@x",1,true]',
    '6d[null,1,null]',
  ]
  expect(rows(`${lines.join('\n')}\n`, true)).toEqual([
    { profileId: 1, values: ['a@x', 1] },
    { profileId: 2, reason: 'MISSING_REQUIRED_FIELD', detail: 'EMAIL' },
    { profileId: 3, reason: 'MISSING_REQUIRED_FIELD', detail: 'EMAIL' },
    { profileId: 4, reason: 'INVALID_VALUE', detail: 'AGE holds a list or an object' },
    { profileId: 5, reason: 'DUPLICATE', detail: null },
    { profileId: 6, reason: 'NO_CONSENT', detail: null },
  ])
})
