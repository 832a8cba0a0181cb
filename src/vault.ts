// Seals what must not be read from the database alone: AES-256-GCM. One key seals; while keys are rotated, the one
// before still opens.
//
//   v1.<id of the key>.<base64url of nonce, ciphertext and tag>
//
// The id is public, so that what was sealed with another key says with which.
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import type { Vault } from './domain/ports.ts'

export const KEY_BYTES = 32
export type Keys = readonly [Buffer, ...Buffer[]]
/** Of `v1.<id>.`: what the key of a sealed text is told from. */
export const HEAD_LENGTH = 12
const ALGORITHM = 'aes-256-gcm'
const NONCE_BYTES = 12
/** Always given to node: without it, a tag of four bytes would do. */
const TAG = { authTagLength: 16 }
const SEALED = /^v1\.([0-9a-f]{8})\.([\w-]+)$/

/**
 * `loadKeys` is called once, when something is first sealed or opened. It gives keys of 32 random bytes: the first
 * seals, each opens what it has sealed.
 */
export function createVault(loadKeys: () => Keys): Vault {
  let loaded: { keys: Keys; byId: Map<string, Buffer> } | undefined
  const own = () => {
    if (loaded) return loaded
    const keys = loadKeys()
    loaded = { keys, byId: new Map(keys.map((key) => [keyIdOf(key), key])) }
    return loaded
  }
  return {
    seal(plain, boundTo) {
      const [key] = own().keys
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv(ALGORITHM, key, nonce, TAG).setAAD(Buffer.from(boundTo))
      const body = Buffer.concat([nonce, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()])
      return headOf(key) + body.toString('base64url')
    },
    open(sealed, boundTo) {
      const [, sealedBy = '', text] = SEALED.exec(sealed) ?? []
      const body = Buffer.from(text ?? '', 'base64url')
      if (body.length < NONCE_BYTES + TAG.authTagLength) throw new Error('what was sealed is damaged')
      const key = own().byId.get(sealedBy)
      if (!key) {
        const known = [...own().byId.keys()].join(' and ')
        throw new Error(`it was sealed with the key ${sealedBy}, and this gateway has the key ${known}`)
      }
      const decipher = createDecipheriv(ALGORITHM, key, body.subarray(0, NONCE_BYTES), TAG)
      decipher.setAAD(Buffer.from(boundTo)).setAuthTag(body.subarray(-TAG.authTagLength))
      try {
        const plain = decipher.update(body.subarray(NONCE_BYTES, -TAG.authTagLength))
        return Buffer.concat([plain, decipher.final()]).toString('utf8')
      } catch (cause) {
        throw new Error('what was sealed is damaged, or was sealed for something else', { cause })
      }
    },
  }
}

/** Eight hex digits that name a key and tell nothing of it. */
export function keyIdOf(key: Buffer): string {
  return createHmac('sha256', key).update('id of a secrets key').digest('hex').slice(0, 8)
}

/** What begins all that a key seals. */
export function headOf(key: Buffer): string {
  return `v1.${keyIdOf(key)}.`
}

/** The id of the key that a sealed text, or the head of one, names; null for what is no such text. */
export function sealedWith(head: string): string | null {
  return /^v1\.([0-9a-f]{8})\./.exec(head)?.[1] ?? null
}
