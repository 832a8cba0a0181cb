// A profile as the importer reads it: its keys are in snake case, others are ignored without a word.
import type { FieldMapping } from '../../domain/model.ts'
import type { SentProfile } from '../driver.ts'

export interface ContactOptions {
  fields: readonly FieldMapping[]
  listId: string
  tags: readonly string[]
  excludeAutomations: boolean
}

const STANDARD = new Set(['email', 'first_name', 'last_name', 'phone'])
/** The target of a custom field: `field:7`. */
export const customField = (id: string) => `field:${id}`
const customFieldId = (target: string) => Number(target.slice(customField('').length))

/** What every contact of a run has, and how a profile becomes one. */
export function contactOf(options: ContactOptions) {
  const common = {
    ...(options.tags.length > 0 && { tags: options.tags }),
    subscribe: [{ listid: Number(options.listId) }],
    // It is documented in the request and, elsewhere, in the contact; people would get mails that were excluded.
    ...(options.excludeAutomations && { exclude_automations: true }),
  }
  return ({ values }: SentProfile): Record<string, unknown> => {
    const contact: Record<string, unknown> = {}
    const fields: { id: number; value: string }[] = []
    for (const [index, { target }] of options.fields.entries()) {
      const value = values[index]
      // What a profile does not have stays as it is there.
      const text = String(value ?? '').trim()
      if (text === '') continue
      if (STANDARD.has(target)) contact[target] = text
      else fields.push({ id: customFieldId(target), value: text })
    }
    return { ...contact, ...(fields.length > 0 && { fields }), ...common }
  }
}

/**
 * Why the importer would not take a contact, as far as it is certain; what is sent and refused costs a request of a
 * hundred a minute. What an e-mail looks like beyond that is for ActiveCampaign to say.
 */
export function refusalOfEmail(email: unknown): string | null {
  if (typeof email !== 'string') return 'It was not sent: it has no e-mail.'
  const isPossible = email.length <= 254 && /^[^\s@]{1,64}@[^\s@]+\.[^\s@.]+$/.test(email)
  return isPossible ? null : 'It was not sent: its e-mail has an incorrect format.'
}

/** E-mails are the same in any case. */
export const sameEmail = (email: unknown) => String(email).trim().toLowerCase()
