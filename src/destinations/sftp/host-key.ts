// Which server it is: its host key, known by its fingerprint.
import { createHash } from 'node:crypto'
import { DeliveryError } from '../driver.ts'

export interface HostKey {
  /** As `ssh-keygen -l` writes it: SHA256:…, without padding. */
  fingerprint: string
  /** E.g. ssh-ed25519. */
  type: string
}
/** The key that a server must have; one that was given beforehand has no known type. */
export interface PinnedKey {
  fingerprint: string
  type: string | null
}

/** The types of keys, best first, and the algorithms that sign with them. SHA-1 and DSA are not among them. */
const ALGORITHMS: Record<string, string[]> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
}

/**
 * The algorithms to ask for, connection by connection. A server has a key of each type and shows the one that it is
 * asked for, so one that is pinned is asked for by its type.
 */
export function algorithmsToTry(pin: PinnedKey | null): string[][] {
  if (pin === null) return [Object.values(ALGORITHMS).flat()]
  const types = Object.keys(ALGORITHMS)
  const first = types.filter((type) => type === pin.type)
  return [...first, ...types.filter((type) => type !== pin.type)].map((type) => ALGORITHMS[type] ?? [])
}

/** Of a key as it goes over the wire (RFC 4253, 6.6). */
export function hostKeyOf(blob: Buffer): HostKey {
  const hash = createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')
  return { fingerprint: `SHA256:${hash}`, type: blob.toString('latin1', 4, 4 + blob.readUInt32BE(0)) }
}

/** @param seen null: it has none of a type that is still safe */
export function otherHostKey(server: string, pin: PinnedKey | null, seen: HostKey | null): DeliveryError {
  if (pin === null) {
    const message = `${server} has no host key of a type that is still safe (Ed25519, ECDSA, or RSA with SHA-2).`
    return new DeliveryError('BAD_SETTINGS', message, { retryable: false })
  }
  const now = seen ? `${seen.fingerprint} (${seen.type})` : 'none of a type that is still safe'
  const message =
    `${server} is not the server it was: its host key should be ${pin.fingerprint}, and is ${now}. Nothing was sent. ` +
    `Ask whoever runs it. If the new key is right, update the account's settings, with the new fingerprint as hostKey, and verify it again.`
  return new DeliveryError('HOST_KEY_CHANGED', message, { retryable: false })
}
