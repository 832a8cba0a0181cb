import { createCipheriv, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createVault, HEAD_LENGTH, keyIdOf, sealedWith } from '../../src/vault.ts'

const key = randomBytes(32)
const vault = createVault(() => [key])
const CANARY = 'canary-7f3a'

test('what is sealed opens for its row, whatever it holds', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string({ minLength: 1 }), (plain, boundTo) => {
      expect(vault.open(vault.seal(plain, boundTo), boundTo)).toBe(plain)
    }),
  )
})

test('a sealed text shows nothing of what it holds, and never the same twice', () => {
  const [one, other] = [vault.seal(CANARY, 'acc_1'), vault.seal(CANARY, 'acc_1')]
  expect(one).not.toBe(other)
  expect(Buffer.from(one.slice(HEAD_LENGTH), 'base64url').includes(CANARY)).toBe(false)
})

// Case 86 of the faults.
test('what was copied to another row does not open there', () => {
  const sealed = vault.seal(CANARY, 'acc_1')
  expect(() => vault.open(sealed, 'acc_2')).toThrow('sealed for something else')
})

test('no character of it can be changed', () => {
  const sealed = vault.seal(CANARY, 'acc_1')
  for (let place = 0; place < sealed.length; place += 1) {
    const other = sealed[place] === 'A' ? 'B' : 'A'
    const changed = sealed.slice(0, place) + other + sealed.slice(place + 1)
    // The last character carries bits that are no part of a byte.
    if (Buffer.from(changed.slice(HEAD_LENGTH), 'base64url').equals(bodyOf(sealed))) continue
    expect(() => vault.open(changed, 'acc_1'), changed).toThrow()
  }
})

test.each(['', 'v1', 'v1.00000000.', 'v1.00000000.AAAA', CANARY, `v2.00000000.${'A'.repeat(60)}`])(
  'what was never sealed does not open: %j',
  (text) => {
    expect(() => vault.open(text, 'acc_1')).toThrow('damaged')
  },
)

test('a tag that was cut to four bytes is refused', () => {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: 4 }).setAAD(Buffer.from('acc_1'))
  const body = Buffer.concat([nonce, cipher.update(CANARY), cipher.final(), cipher.getAuthTag()])
  expect(() => vault.open(`v1.${keyIdOf(key)}.${body.toString('base64url')}`, 'acc_1')).toThrow('damaged')
})

test('a wrong key says which one is needed', () => {
  const sealed = vault.seal(CANARY, 'acc_1')
  const other = createVault(() => [randomBytes(32)])
  expect(() => other.open(sealed, 'acc_1')).toThrow(`sealed with the key ${keyIdOf(key)}`)
  expect(sealedWith(sealed.slice(0, HEAD_LENGTH))).toBe(keyIdOf(key))
  expect(sealedWith('anything else')).toBeNull()
})

test('an old key opens what it has sealed, and seals no more', () => {
  const old = randomBytes(32)
  const both = createVault(() => [key, old])
  const before = createVault(() => [old]).seal(CANARY, 'acc_1')
  expect(both.open(before, 'acc_1')).toBe(CANARY)
  expect(both.seal(CANARY, 'acc_1')).toMatch(`v1.${keyIdOf(key)}.`)
  const another = createVault(() => [randomBytes(32)]).seal(CANARY, 'acc_1')
  expect(() => both.open(another, 'acc_1')).toThrow(`has the key ${keyIdOf(key)} and ${keyIdOf(old)}`)
})

test('the key is asked for when it is needed, and once', () => {
  let asked = 0
  const lazy = createVault(() => {
    asked += 1
    return [key]
  })
  expect(asked).toBe(0)
  lazy.open(lazy.seal(CANARY, 'acc_1'), 'acc_1')
  expect(asked).toBe(1)
})

const bodyOf = (sealed: string): Buffer => Buffer.from(sealed.slice(HEAD_LENGTH), 'base64url')
