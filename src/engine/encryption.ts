// Files encrypted to a recipient's OpenPGP key as they leave. The library is loaded where it is needed: most exports
// do without.
import { DeliveryError } from '../destinations/driver.ts'

/** Whom a file is encrypted to, as OpenPGP names it. */
export interface Recipient {
  /** Upper-case hexadecimal digits. */
  fingerprint: string
  keyId: string
}

export async function recipientOf(publicKey: string): Promise<Recipient> {
  const { readKey } = await import('openpgp')
  const key = await readKey({ armoredKey: publicKey })
  return { fingerprint: key.getFingerprint().toUpperCase(), keyId: key.getKeyID().toHex().toUpperCase() }
}

/** @throws DeliveryError BAD_SETTINGS for a key that was good when it was stored, and is not any more */
export async function requireUsable(publicKey: string, at: Date): Promise<void> {
  const { readKey } = await import('openpgp')
  try {
    const key = await readKey({ armoredKey: publicKey })
    await key.getEncryptionKey(undefined, at)
  } catch (error) {
    throw new DeliveryError(
      'BAD_SETTINGS',
      "Files cannot be encrypted to the dataflow's public key any more; it may have expired. Store a newer one with the dataflow, and activate the segment anew.",
      { retryable: false, cause: error },
    )
  }
}

/** Encrypts what is written; `leave` is given the file in order, and resolves when its bytes may be used again. */
export function encryptor(publicKey: string, leave: (bytes: Uint8Array) => Promise<void>) {
  const { readable, writable } = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>()
  const writer = writable.getWriter()
  const leaving = (async () => {
    const { createMessage, encrypt, readKey } = await import('openpgp')
    const encrypted = await encrypt({
      message: await createMessage({ binary: readable }),
      encryptionKeys: await readKey({ armoredKey: publicKey }),
      format: 'binary',
    })
    for await (const bytes of encrypted) await leave(bytes)
  })()
  leaving.catch(() => {}) // whoever writes or ends is told
  return {
    /** Resolves when the bytes may be used again. */
    async write(bytes: Uint8Array): Promise<void> {
      await Promise.race([writer.write(new Uint8Array(bytes)), leaving])
    },
    async end(): Promise<void> {
      writer.close().catch(() => {})
      await leaving
    },
  }
}
