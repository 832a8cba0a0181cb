// Which profiles go into one request.
import type { RefusedProfile, SentProfile } from '../driver.ts'
import { refusalOfEmail } from './contact.ts'

export const MAX_CONTACTS = 250
const MAX_BYTES = 399_999

export interface BatchContact {
  profileId: number
  /** Its place among the profiles given. */
  place: number
  json: string
}
export interface Batch {
  contacts: BatchContact[]
  refused: (RefusedProfile & { place: number })[]
  /** How many of the profiles given it deals with. */
  taken: number
}

/** Everything of a request but its contacts, and how a profile becomes one of them. */
export interface RequestShape {
  excludeAutomations: boolean
  contact(profile: SentProfile): Record<string, unknown>
}

/** As many profiles as fit into one request, from the first on; some are refused without being sent. */
export function firstBatch(profiles: readonly SentProfile[], shape: RequestShape): Batch {
  const empty = Buffer.byteLength(requestOf([], shape))
  let bytes = empty
  const batch: Batch = { contacts: [], refused: [], taken: 0 }
  for (const [place, profile] of profiles.entries()) {
    const { profileId } = profile
    const contact = shape.contact(profile)
    const json = JSON.stringify(contact)
    const length = Buffer.byteLength(json)
    const more = batch.contacts.length > 0 ? length + 1 : length // the comma
    const tooLong = empty + length > MAX_BYTES && 'It was not sent: a contact has at most 399,999 bytes.'
    const detail = refusalOfEmail(contact.email) ?? tooLong
    if (detail) batch.refused.push({ profileId, place, detail })
    else if (batch.contacts.length === MAX_CONTACTS || bytes + more > MAX_BYTES) break
    else {
      bytes += more
      batch.contacts.push({ profileId, place, json })
    }
    batch.taken = place + 1
  }
  return batch
}

/** The batch without its second half, which is sent later. */
export function firstHalf({ contacts, refused, taken }: Batch): Batch {
  const half = Math.ceil(contacts.length / 2)
  const end = contacts[half]?.place ?? taken
  return {
    contacts: contacts.slice(0, half),
    refused: refused.filter(({ place }) => place < end),
    taken: end,
  }
}

export function requestOf(contacts: readonly BatchContact[], { excludeAutomations }: RequestShape): string {
  const rest = excludeAutomations ? ',"exclude_automations":true' : ''
  return `{"contacts":[${contacts.map(({ json }) => json).join(',')}]${rest}}`
}
