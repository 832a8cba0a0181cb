// What a login tells: who the key belongs to, and the lists and custom fields that people choose from.
import { setTimeout as sleep } from 'node:timers/promises'
import type { AccountDetails } from '../driver.ts'
import { failureOf, get, isText, itemsOf } from './answer.ts'
import type { Api } from './api.ts'

export interface ActiveCampaignDetails extends AccountDetails {
  user: string
  lists: { id: string; name: string }[]
  fields: { id: string; title: string; type: string }[]
  /** There are more lists or fields than these. */
  isCut: boolean
}

const PAGE = 100
/** Of lists, and of fields: as many requests as fit into the time of a login. */
const MAX_PAGES = 10
/** Four requests a second. */
const BETWEEN_MS = 250
const MAX_NAME = 200

/** For logins, which draw on no run's budget. */
export function spaced(signal: AbortSignal) {
  return () => sleep(BETWEEN_MS, undefined, { signal })
}

/** @throws DeliveryError with ActiveCampaign's words */
export async function readAccount(api: Api): Promise<ActiveCampaignDetails> {
  const me = await api.ask('/users/me')
  const user = get(me.body, 'user')
  if (me.status !== 200 || user === undefined) throw failureOf(me)
  const lists = await readAll(api, 'lists', 'name')
  const fields = await readAll(api, 'fields', 'title')
  return {
    user: textOf(user, 'username') || textOf(user, 'email'),
    lists: lists.found.map((list) => ({ id: textOf(list, 'id'), name: textOf(list, 'name') })),
    fields: fields.found.map((field) => ({
      id: textOf(field, 'id'),
      title: textOf(field, 'title'),
      type: textOf(field, 'type'),
    })),
    isCut: lists.isCut || fields.isCut,
  }
}

async function readAll(api: Api, name: 'lists' | 'fields', title: string) {
  const found: unknown[] = []
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const answer = await api.ask(`/${name}?limit=${PAGE}&offset=${page * PAGE}`)
    if (answer.status !== 200) throw failureOf(answer)
    const items = itemsOf(get(answer.body, name))
    found.push(...items.filter((item) => /^\d{1,10}$/.test(textOf(item, 'id')) && isText(get(item, title))))
    const total = Number(get(get(answer.body, 'meta'), 'total')) // a text or a number
    if (items.length === 0 || (page + 1) * PAGE >= total) return { found, isCut: false }
  }
  return { found, isCut: true }
}

/** Ids come as texts or as numbers. */
function textOf(item: unknown, key: string): string {
  const value = get(item, key)
  return typeof value === 'string' || typeof value === 'number' ? String(value).slice(0, MAX_NAME) : ''
}
