import { invalid, type UserError } from '../domain/errors.ts'
import { oneLine } from '../domain/text.ts'

const MAX_WORDS = 200
const HOW = 'Export it with: gpg --armor --export RECIPIENT'
const PRIVATE = `is a private key, which is for the recipient alone. Send the public one. ${HOW}`

/** What keeps files from being encrypted to an OpenPGP key in ASCII armor. */
export async function checkPublicKey(publicKey: string, path: string[], at: Date): Promise<UserError[]> {
  const problem = await problemOf(publicKey, at)
  return problem === null ? [] : [invalid(path, `The public key ${problem}`)]
}

async function problemOf(publicKey: string, at: Date): Promise<string | null> {
  if (publicKey.includes('PRIVATE KEY BLOCK')) return PRIVATE
  // Only the first of several blocks would be read, and the other recipients would wait in vain.
  if (publicKey.split('-----BEGIN ').length > 2) return `is several blocks of armor. Send one key. ${HOW}`
  const { readKeys } = await import('openpgp') // loaded when the first key is stored
  const keys = await readKeys({ armoredKeys: publicKey }).catch(() => null)
  const key = keys?.[0]
  if (!keys || !key) return `is no OpenPGP key in ASCII armor. ${HOW}`
  if (keys.some((one) => one.isPrivate())) return PRIVATE
  if (keys.length > 1) return `is ${keys.length} keys. Send one. ${HOW}`
  if (await key.isRevoked()) return 'was revoked by its owner. Ask for a new one.'
  const expires = await key.getExpirationTime()
  if (expires instanceof Date && expires <= at)
    return `expired at ${expires.toISOString()}. Ask for a new one.`
  try {
    await key.getEncryptionKey(undefined, at)
    return null
  } catch (error) {
    return `cannot be encrypted to: ${oneLine(error instanceof Error ? error.message : String(error), MAX_WORDS)}. Ask for another one.`
  }
}
