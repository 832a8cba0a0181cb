import type { Vault } from '../domain/ports.ts'
import type { Database } from '../storage/database.ts'
import { type SealedPlace, sealedPlaces } from '../storage/sealed.ts'

const AT_ONCE = 100

export interface Resealed {
  /** How many were sealed anew. */
  accounts: number
  notificationTargets: number
  signingKeys: number
  /** What could not be opened, and is as it was. */
  unreadable: { id: string; reason: string }[]
}

/**
 * Seals all anew that does not begin with the head of the vault's own key. It may be stopped at any time and called
 * again.
 */
export async function resealAll(database: Database, vault: Vault, head: string): Promise<Resealed> {
  const unreadable: Resealed['unreadable'] = []
  const sealAnew = async (place: SealedPlace): Promise<number> => {
    let count = 0
    let page = await place.page({ otherThan: head, afterId: '', limit: AT_ONCE })
    for (let last = page.at(-1); last; last = page.at(-1)) {
      const writes = page.flatMap((read) => {
        const { id, text } = read
        try {
          return [place.replace(read, vault.seal(vault.open(text, id), id))]
        } catch (error) {
          unreadable.push({ id, reason: error instanceof Error ? error.message : String(error) })
          return []
        }
      })
      count += (await database.batch(writes)).reduce((sum, touched) => sum + touched, 0)
      page = await place.page({ otherThan: head, afterId: last.id, limit: AT_ONCE })
    }
    return count
  }
  const places = sealedPlaces(database)
  return {
    accounts: await sealAnew(places.accounts),
    notificationTargets: await sealAnew(places.notificationTargets),
    signingKeys: await sealAnew(places.signingKeys),
    unreadable,
  }
}
