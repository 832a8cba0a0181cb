import { z } from 'zod'
import type { DestinationField, Driver, KnownAccount } from '../driver.ts'
import type { Outbound } from '../outbound.ts'
import { activeCampaignApi, loginOf } from './api.ts'
import { customField } from './contact.ts'
import { contactDelivery } from './delivery.ts'
import { originOf } from './hostname.ts'
import { type ActiveCampaignDetails, readAccount, spaced } from './verify.ts'

const MAX_TAGS = 20

const FIELDS: DestinationField[] = [
  { name: 'email', title: 'E-mail', required: true, description: 'Contacts are told apart by it.' },
  { name: 'first_name', title: 'First name', required: false },
  { name: 'last_name', title: 'Last name', required: false },
  { name: 'phone', title: 'Phone', required: false },
]

/** Imports contacts into a list of an ActiveCampaign account. */
export function activeCampaign({ outbound }: { outbound: Outbound }): Driver {
  return {
    type: 'ACTIVECAMPAIGN',
    title: 'ActiveCampaign',
    delivery: 'API',
    allowsAdHoc: true,
    account: {
      settings: z.strictObject({
        hostname: z
          .string()
          .transform((host) => host.trim().toLowerCase())
          .refine(
            (host) => originOf(host, outbound) !== null,
            'hostname is the host of your API URL alone, without https:// and without a path, e.g. "myaccount.api-us1.com".',
          )
          .meta({
            title: 'Hostname',
            description: 'Of the API URL under Settings > Developer in ActiveCampaign, without https://.',
            examples: ['acme.api-us1.com'],
          }),
      }),
      secrets: z.strictObject({
        apiKey: z
          .string()
          .regex(/^[\x21-\x7e]{1,500}$/, 'apiKey is the key under Settings > Developer in ActiveCampaign.')
          .meta({
            title: 'API key',
            description: 'The key under Settings > Developer in ActiveCampaign.',
            examples: ['0123456789abcdef'],
          }),
      }),
      verify: async (account, signal) =>
        readAccount(activeCampaignApi({ outbound, login: loginOf(account), pace: spaced(signal), signal })),
    },
    settings: z.strictObject({
      listId: z
        .string()
        .regex(/^[1-9]\d{0,9}$/, 'listId is the number of a list, as text, e.g. "7".')
        .meta({
          title: 'List',
          description: "The number of one of the account's lists, which its details name.",
          examples: ['7'],
        }),
      tags: z
        .array(z.string().trim().min(1, 'A tag is not empty.').max(255, 'A tag has at most 255 characters.'))
        .max(MAX_TAGS, `There are at most ${MAX_TAGS} tags.`)
        .default([])
        .meta({ title: 'Tags', description: 'What every contact is tagged with.' }),
      excludeAutomations: z.boolean().default(false).meta({
        title: 'Exclude automations',
        description: "Whether the import starts none of the account's automations.",
      }),
    }),
    fields: FIELDS,
    fieldsOf,
    refusalOf,
    async deliverProfiles(target) {
      const { account, pace, signal } = target
      if (!account) throw new Error('it is given an account')
      return contactDelivery(activeCampaignApi({ outbound, login: loginOf(account), pace, signal }), target)
    },
  }
}

function detailsOf({ details }: KnownAccount): ActiveCampaignDetails | null {
  return details as ActiveCampaignDetails | null
}

function fieldsOf(account: KnownAccount): DestinationField[] {
  const custom = detailsOf(account)?.fields ?? []
  return [...FIELDS, ...custom.map(({ id, title }) => ({ name: customField(id), title, required: false }))]
}

function refusalOf({ listId }: Record<string, unknown>, account: KnownAccount): string | null {
  const details = detailsOf(account)
  if (!details || details.isCut || details.lists.some(({ id }) => id === listId)) return null
  const known = details.lists.map(({ id, name }) => `${id} (${name})`).join(', ') || 'none'
  return `The account has no list ${listId}. Its lists: ${known.slice(0, 500)}.`
}
