// The keys that access tokens are signed with. They are in the database, the private half sealed, so that every
// process on it signs and verifies alike: the newest key signs, all that are kept verify.
import { randomUUID } from 'node:crypto'
import { type CryptoKey, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose'
import { signingKeyStore } from '../storage/signing-key.ts'
import type { Row } from '../storage/tables.ts'
import type { ServiceContext } from './context.ts'

export const ALGORITHM = 'ES256'
const DAY_MS = 24 * 60 * 60 * 1000
/** How long a key signs. */
const SIGNS_MS = DAY_MS
/** And how long it is kept, to verify: longer by far than the tokens that it has signed last. */
const KEPT_MS = 2 * DAY_MS
const KID = /^[0-9a-f-]{36}$/

interface Signer {
  kid: string
  key: CryptoKey
}
export type KeyContext = Pick<ServiceContext, 'database' | 'clock' | 'vault' | 'log'>

export function signingKeys({ database, clock, vault, log }: KeyContext) {
  const store = signingKeyStore(database)
  const verifiers = new Map<string, { key: CryptoKey; keptUntil: number }>()
  let signer: Signer | null = null
  let rotation: Promise<Row<'signingKeys'>> | null = null

  /** Null for a key that was sealed with another SECRETS_KEY: a new one does as well. */
  const open = async ({ id: kid, privateKey }: Row<'signingKeys'>): Promise<Signer | null> => {
    try {
      return { kid, key: await imported(JSON.parse(vault.open(privateKey, kid))) }
    } catch (error) {
      log.warn({ error, kid }, 'a signing key cannot be opened, and is replaced')
      return null
    }
  }
  const rotate = async (): Promise<Row<'signingKeys'>> => {
    const pair = await generateKeyPair(ALGORITHM, { extractable: true })
    const id = randomUUID()
    const createdAt = clock()
    const row: Row<'signingKeys'> = {
      id,
      publicKey: { ...(await exportJWK(pair.publicKey)) },
      privateKey: vault.seal(JSON.stringify(await exportJWK(pair.privateKey)), id),
      createdAt,
    }
    await database.batch([store.insert(row), store.deleteBefore(new Date(createdAt.getTime() - KEPT_MS))])
    return row
  }
  /** A new key takes the place of one that is a day old. Two processes may each make one: the newest signs. */
  const rotateOnce = (): Promise<Row<'signingKeys'>> => {
    rotation ??= rotate().finally(() => {
      rotation = null
    })
    return rotation
  }

  return {
    /** The key to sign with now. Asked of the database each time, so that no process signs with an old one. */
    async signer(): Promise<Signer> {
      const newest = await store.newest()
      const isFresh = newest !== null && clock().getTime() - newest.createdAt.getTime() < SIGNS_MS
      if (isFresh && signer?.kid === newest.id) return signer
      const opened = isFresh ? await open(newest) : null
      signer = opened ?? (await open(await rotateOnce()))
      if (signer) return signer
      throw new Error('a new signing key cannot be opened')
    },

    /** The key that a token says it was signed with, or null. What is no key of ours is never remembered. */
    async verifier(kid: string | undefined): Promise<CryptoKey | null> {
      const now = clock().getTime()
      const known = kid === undefined ? undefined : verifiers.get(kid)
      if (known && known.keptUntil > now) return known.key
      if (kid === undefined || !KID.test(kid)) return null
      const row = await store.byId(kid)
      if (!row) return null
      for (const [id, { keptUntil }] of verifiers) if (keptUntil <= now) verifiers.delete(id)
      const key = await imported(row.publicKey)
      verifiers.set(kid, { key, keptUntil: row.createdAt.getTime() + KEPT_MS })
      return key
    },
  }
}

async function imported(jwk: JWK): Promise<CryptoKey> {
  const key = await importJWK(jwk, ALGORITHM)
  if (key instanceof Uint8Array) throw new Error('a signing key is a secret, not a pair')
  return key
}
