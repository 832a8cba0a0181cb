import { z } from 'zod'
import {
  DeliveryError,
  type DeliveryTarget,
  type ProfileDelivery,
  type RefusedProfile,
  type SentBatch,
  type SentProfile,
} from '../driver.ts'
import { withoutValues } from '../without-values.ts'
import {
  type Answer,
  failureOf,
  get,
  isText,
  itemsOf,
  namedContacts,
  queuedBatch,
  wordsOf,
} from './answer.ts'
import type { Api } from './api.ts'
import { type Batch, firstBatch, firstHalf, MAX_CONTACTS, type RequestShape, requestOf } from './batch.ts'
import { contactOf, sameEmail } from './contact.ts'

/** Refusals one after the other, none of which names a contact: then it is not the contacts. */
const MAX_REFUSALS = 40
const RECEIPT = z.object({ batchId: z.string() })
const FAILED =
  'ActiveCampaign lists it as failed: as it does with an e-mail that bounced, is excluded or has unsubscribed, and when the account is full.'

/**
 * Imports contacts in batches. Contacts are the same by their e-mail, so that a batch may be sent again.
 * @throws DeliveryError BAD_SETTINGS where the list is gone, before anything is sent
 */
export async function contactDelivery(api: Api, target: DeliveryTarget): Promise<ProfileDelivery> {
  const { listId, tags, excludeAutomations } = target.settings as {
    listId: string
    tags: string[]
    excludeAutomations: boolean
  }
  await requireList(api, listId)
  const contact = contactOf({ fields: target.fields, listId, tags, excludeAutomations })
  const shape: RequestShape = { contact, excludeAutomations }
  let refusalsInARow = 0

  /** A batch after a refusal: without the contacts that were named, or smaller, until the one that is wrong is alone. */
  function afterRefusal(batch: Batch, answer: Answer, failure: DeliveryError): Batch {
    const named = namedContacts(answer)
    const isNamed = batch.contacts.some((_, index) => named.has(index))
    refusalsInARow = isNamed ? 0 : refusalsInARow + 1
    if (refusalsInARow > MAX_REFUSALS) throw failure
    if (!isNamed && batch.contacts.length > 1) return firstHalf(batch)
    const reasonOf = (index: number) => named.get(index) ?? (isNamed ? null : wordsOf(answer))
    const refused = batch.contacts.flatMap(({ profileId, place }, index) => {
      const detail = reasonOf(index)
      return detail === null ? [] : [{ profileId, place, detail }]
    })
    const contacts = batch.contacts.filter((_, index) => reasonOf(index) === null)
    return { ...batch, contacts, refused: [...batch.refused, ...refused] }
  }

  return {
    maxProfiles: MAX_CONTACTS,

    async send(profiles: readonly SentProfile[]): Promise<SentBatch> {
      const clean = (words: string) =>
        withoutValues(
          words,
          profiles.flatMap(({ values }) => values),
        )
      let batch = firstBatch(profiles, shape)
      let pending = null
      let bytes = 0
      while (batch.contacts.length > 0 && pending === null) {
        const request = requestOf(batch.contacts, shape)
        bytes = Buffer.byteLength(request)
        const answer = await api.import(request, batch.contacts.length)
        const batchId = queuedBatch(answer)
        if (batchId !== null) {
          refusalsInARow = 0
          pending = { batchId }
        } else {
          const failure = failureOf(answer, clean)
          if (failure.code !== 'REFUSED_WRITE') throw failure
          batch = afterRefusal(batch, answer, failure)
        }
      }
      const refused = batch.refused.map(({ profileId, detail }) => ({ profileId, detail: clean(detail) }))
      return { taken: batch.taken, refused, pending, bytes: pending ? bytes : 0 }
    },

    async settle(receipt, profiles): Promise<RefusedProfile[] | null> {
      const { batchId } = RECEIPT.parse(receipt)
      const answer = await api.ask(`/import/info?batchId=${encodeURIComponent(batchId)}`)
      if (answer.status !== 200) throw failureOf(answer)
      const status = get(answer.body, 'status') // false in the first second
      if (status === 'failed' || status === 'interrupted') {
        const detail = `ActiveCampaign ended its import as ${status}.`
        return (await profiles()).map(({ profileId }) => ({ profileId, detail }))
      }
      if (status !== 'completed') return null
      const failed = new Set(itemsOf(get(answer.body, 'failure')).map(sameEmail))
      if (failed.size === 0) return []
      return (await profiles())
        .filter((profile) => failed.has(sameEmail(contact(profile).email)))
        .map(({ profileId }) => ({ profileId, detail: FAILED }))
    },
  }
}

async function requireList(api: Api, listId: string): Promise<void> {
  const answer = await api.ask(`/lists/${listId}`)
  if (answer.status === 200) return
  if (answer.status !== 404 || !isText(get(answer.body, 'message'))) throw failureOf(answer)
  const message = `ActiveCampaign has no list ${listId} any more: ${wordsOf(answer)}`
  throw new DeliveryError('BAD_SETTINGS', message, { retryable: false })
}
