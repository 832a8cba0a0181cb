// A recipient of OpenPGP files: makes keys, and opens what was encrypted to them.
import { decrypt, generateKey, readKey, readMessage, readPrivateKey, revokeKey } from 'openpgp'

export type KeyPair = Awaited<ReturnType<typeof keyPair>>

/** A fresh key pair in ASCII armor; `revokedKey` is the public key once its owner has taken it back. */
export async function keyPair(changes: { date?: Date; keyExpirationTime?: number; subkeys?: [] } = {}) {
  const user = { name: 'Partner', email: 'partner@example.com' }
  const keys = await generateKey({ userIDs: user, format: 'armored', ...changes })
  const key = await readKey({ armoredKey: keys.publicKey })
  const { publicKey: revokedKey } = await revokeKey({
    key,
    revocationCertificate: keys.revocationCertificate,
  })
  return { ...keys, revokedKey, fingerprint: key.getFingerprint().toUpperCase() }
}

export async function openedWith(privateKey: string, file: Uint8Array): Promise<Buffer> {
  const { data } = await decrypt({
    message: await readMessage({ binaryMessage: Uint8Array.from(file) }),
    decryptionKeys: await readPrivateKey({ armoredKey: privateKey }),
    format: 'binary',
  })
  return Buffer.from(data)
}
