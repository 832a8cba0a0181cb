import { type AnyPacket, armor, enums, PacketList, readKey } from 'openpgp'
import { describe, expect, it } from 'vitest'
import { checkPublicKey } from '../../src/services/public-key.ts'
import { keyPair } from '../support/pgp.ts'

const path = ['input', 'fileFormat', 'publicKey']
const now = new Date()
const messageOf = async (publicKey: string, at = now) => {
  const errors = await checkPublicKey(publicKey, path, at)
  expect(errors.every((error) => error.code === 'INVALID_INPUT' && error.path === path)).toBe(true)
  return errors.map((error) => error.message).join(' ')
}

describe('a public key', () => {
  it('is taken when files can be encrypted to it, whatever stands around its lines', async () => {
    const { publicKey } = await keyPair()
    expect(await messageOf(publicKey)).toBe('')
    expect(await messageOf(publicKey.replaceAll('\r\n', '\n').trim())).toBe('')
  })

  it.each([
    '',
    'nonsense',
    '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----',
  ])('is refused when it is none: %j', async (text) => {
    expect(await messageOf(text)).toContain('is no OpenPGP key in ASCII armor. Export it with: gpg')
  })

  it('is refused when it is private, without a word of it', async () => {
    const { privateKey } = await keyPair()
    const message = await messageOf(privateKey)
    expect(message).toContain('is a private key, which is for the recipient alone. Send the public one.')
    expect(message).not.toContain(privateKey.slice(100, 140))
  })

  it('is refused when it has expired, or does at the time', async () => {
    const { publicKey } = await keyPair({ date: new Date('2026-01-01T00:00:00Z'), keyExpirationTime: 3600 })
    expect(await messageOf(publicKey, new Date('2026-01-01T00:30:00Z'))).toBe('')
    expect(await messageOf(publicKey)).toContain('expired at 2026-01-01T01:00:00.000Z')
  })

  it('is refused when it was revoked', async () => {
    const { revokedKey } = await keyPair()
    expect(await messageOf(revokedKey)).toContain('was revoked')
  })

  it('is refused when it is for signing alone', async () => {
    const { publicKey } = await keyPair({ subkeys: [] })
    expect(await messageOf(publicKey)).toContain('cannot be encrypted to')
  })

  it('is one', async () => {
    const [one, other] = [await keyPair(), await keyPair()]
    expect(await messageOf(one.publicKey + other.publicKey)).toContain('Send one key')
    expect(await messageOf(one.publicKey + other.privateKey)).toContain('is a private key')
    const keys = await Promise.all([one, other].map((pair) => readKey({ armoredKey: pair.publicKey })))
    const ring = new PacketList<AnyPacket>()
    for (const key of keys) ring.push(...key.toPacketList())
    expect(await messageOf(armor(enums.armor.publicKey, ring.write()))).toContain('is 2 keys')
  })
})
