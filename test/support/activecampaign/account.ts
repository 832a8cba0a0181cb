// What an ActiveCampaign account holds, and how contacts get into it.

export interface Contact {
  id: string
  /** In the spelling it came in with first; it is the key, whatever its case. */
  email: string
  first_name: string
  last_name: string
  phone: string
  tags: readonly string[]
  /** Ids of the lists that it is subscribed to. */
  lists: readonly string[]
  /** Values of the custom fields, by id. */
  fields: Readonly<Record<string, string>>
  /** How often it was imported. */
  imports: number
}
export interface CustomField {
  id: string
  title: string
  type: string
  perstag: string
}
/** A contact as a request has it: anything may be in it, and what is not known is ignored without a word. */
export type GivenContact = Record<string, unknown>

export type AccountData = ReturnType<typeof accountData>

export function accountData() {
  const contacts = new Map<string, Contact>()
  const data = {
    /** By the e-mail in lower case. */
    contacts,
    user: { id: '1', username: 'admin', firstName: 'Ada', lastName: 'Byron', email: 'ada@example.org' },
    lists: [
      { id: '1', name: 'Newsletter' },
      { id: '2', name: 'Win-back' },
    ],
    fields: [{ id: '7', title: 'Total spent', type: 'text', perstag: 'TOTAL_SPENT' }] as CustomField[],
    /** E-mails that never become contacts. */
    excluded: new Set<string>(),
    bounced: new Set<string>(),
    /** E-mails that unsubscribed from every list. */
    unsubscribed: new Set<string>(),
    contactLimit: Number.POSITIVE_INFINITY,

    /** Creates or changes a contact: its id, or null when it may not be. */
    upsert(given: GivenContact): string | null {
      const email = String(given.email)
      const key = email.toLowerCase()
      const { excluded, bounced, unsubscribed } = data
      if ([excluded, bounced, unsubscribed].some((refused) => refused.has(key))) return null
      const old = contacts.get(key)
      if (!old && contacts.size >= data.contactLimit) return null
      const subscribe = idsOf(given.subscribe, 'listid')
      if (!subscribe.every((id) => data.lists.some((list) => list.id === id))) return null
      const contact: Contact = {
        id: old?.id ?? String(contacts.size + 1),
        email: old?.email ?? email,
        first_name: textOf(given.first_name) ?? old?.first_name ?? '',
        last_name: textOf(given.last_name) ?? old?.last_name ?? '',
        phone: textOf(given.phone) ?? old?.phone ?? '',
        tags: merged(old?.tags, itemsOf(given.tags).map(String)),
        lists: merged(old?.lists, subscribe),
        fields: { ...old?.fields, ...valuesOf(given.fields) },
        imports: (old?.imports ?? 0) + 1,
      }
      contacts.set(key, contact)
      return contact.id
    },
  }
  return data
}

const textOf = (value: unknown) => (value == null ? null : String(value))
const itemsOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
const idsOf = (value: unknown, key: string) =>
  itemsOf(value).map((item) => String((item as Record<string, unknown>)[key]))
const valuesOf = (value: unknown) =>
  Object.fromEntries(
    itemsOf(value).map((item) => {
      const { id, value } = item as { id: unknown; value: unknown }
      return [String(id), String(value)]
    }),
  )
function merged(old: readonly string[] = [], more: readonly string[]): readonly string[] {
  return more.every((item) => old.includes(item)) ? old : [...new Set([...old, ...more])]
}
