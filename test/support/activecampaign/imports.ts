// The bulk importer: what it refuses at once, and what becomes of a batch that it took.
import { createHash, randomUUID } from 'node:crypto'
import type { AccountData, GivenContact } from './account.ts'
import { slidingWindow } from './window.ts'

export const MAX_CONTACTS = 250
export const MAX_BYTES = 399_999

/** How a batch ends. What has failed or was interrupted has taken its first half. */
export type Fate = 'completed' | 'failed' | 'interrupted'
interface Batch {
  /** Until it has ended. */
  contacts: GivenContact[]
  acceptedAt: number
  startsAt: number
  endsAt: number
  fate: Fate
  /** Once it has ended. */
  outcome: { success: string[]; failure: string[] } | null
}
export type Answer = [status: number, body: unknown]

const INVALID =
  'JSON payload did not pass validation. Please fix failureReasons and retry. The import was not queued for processing.'
const TOO_MANY = (limit: number) =>
  `Up to ${limit} imports may be requested per minute.Please batch contacts into larger requests, or retry this request in a minute.`

export type Importer = ReturnType<typeof importer>

export function importer(data: AccountData, now: () => number) {
  const perMinute = slidingWindow(100, 60_000)
  const singlePerMinute = slidingWindow(20, 60_000)
  const batches = new Map<string, Batch>()
  /** Batches in the order in which they are worked on, from the first that has not ended. */
  let queue: Batch[] = []
  const self = {
    /** How long the importer works on a batch, in milliseconds. */
    workMs: 400,
    /** How the next batches end, in their order; afterwards they are completed. */
    fates: [] as Fate[],
    /** It tells of one bad contact at a time. */
    namesOneAtATime: false,
    /** E-mails that make it refuse a batch without saying whose fault it is. */
    unnamed: new Set<string>(),
    /** The bodies of the requests, hashed: for comparing. */
    bodies: [] as string[],
    /** Contacts for whom automations were started. */
    automations: 0,

    /** A request came, whatever becomes of it. */
    seen(raw: Buffer): void {
      self.bodies.push(createHash('sha256').update(raw).digest('hex'))
    },

    post(raw: Buffer): Answer {
      if (raw.length > MAX_BYTES) return [413, {}]
      const body = parsed(raw)
      const contacts = body?.contacts
      if (!Array.isArray(contacts) || contacts.length === 0)
        return refused(["'contacts' is a required field."])
      if (contacts.length > MAX_CONTACTS)
        return refused([`Up to ${MAX_CONTACTS} contacts may be imported at once.`])
      const windows = contacts.length === 1 ? [singlePerMinute, perMinute] : [perMinute]
      const full = windows.find((window) => window.waitMs(now()) > 0)
      if (full) {
        return [400, { success: 0, message: 'Rate limit exceeded.', failureReasons: [TOO_MANY(full.limit)] }]
      }
      for (const window of windows) window.take(now())
      const bad = contacts.flatMap((contact, index) => {
        const failureReason = wrongWith(contact)
        return failureReason ? [{ contact: index + 1, failureReason }] : []
      })
      if (bad.length > 0) return refused(self.namesOneAtATime ? bad.slice(0, 1) : bad)
      if (contacts.some(({ email }) => self.unnamed.has(String(email)))) {
        return [
          422,
          { errors: [{ title: 'The request could not be processed', detail: '', code: 'invalid' }] },
        ]
      }
      const isExcluded = (given: unknown) => (given as GivenContact).exclude_automations === true
      if (!isExcluded(body)) self.automations += contacts.filter((contact) => !isExcluded(contact)).length
      return [200, accept(contacts)]
    },

    /** Takes a request's first half, as a server that dies in the middle of it. */
    takeHalf(raw: Buffer): void {
      const contacts: GivenContact[] = parsed(raw)?.contacts ?? []
      for (const contact of contacts.slice(0, contacts.length / 2)) data.upsert(contact)
    },

    info(batchId: string | null): Answer {
      if (!batchId) return [400, { success: 0, message: "'batchId' is a required field." }]
      self.work()
      const batch = batches.get(batchId)
      const status = batch ? statusOf(batch) : false
      return [200, { status, ...(batch?.outcome ?? { success: [], failure: [] }) }]
    },

    /** Ends the batches whose time has come. */
    work(): void {
      const due = queue.filter((batch) => batch.endsAt <= now())
      queue = queue.slice(due.length)
      for (const batch of due) {
        batch.outcome = outcomeOf(batch)
        batch.contacts = []
      }
    },
  }

  function accept(contacts: GivenContact[]) {
    const batchId = randomUUID()
    const acceptedAt = now()
    const startsAt = Math.max(acceptedAt + 1_000, queue.at(-1)?.endsAt ?? 0)
    const fate = self.fates.shift() ?? 'completed'
    const batch = {
      contacts,
      count: contacts.length,
      acceptedAt,
      startsAt,
      endsAt: startsAt + self.workMs,
      fate,
      outcome: null,
    }
    batches.set(batchId, batch)
    queue.push(batch)
    const skipped = contacts.filter(({ email }) => data.excluded.has(String(email).toLowerCase()))
    return {
      Success: 1,
      queued_contacts: contacts.length - skipped.length,
      batchId,
      message: 'Contact import queued',
    }
  }
  function statusOf(batch: Batch): string | false {
    if (batch.outcome) return batch.fate
    const at = now()
    if (at < batch.acceptedAt + 1_000) return false
    if (at < batch.startsAt) return 'waiting'
    return at < batch.startsAt + self.workMs / 4 ? 'claimed' : 'active'
  }
  function outcomeOf({ contacts, fate }: Batch) {
    const success: string[] = []
    const failure: string[] = []
    const worked = fate === 'completed' ? contacts : contacts.slice(0, contacts.length / 2)
    for (const contact of worked) {
      const id = data.upsert(contact)
      if (id === null) failure.push(String(contact.email).toLowerCase())
      else success.push(id)
    }
    return { success, failure }
  }
  return self
}

const refused = (failureReasons: unknown[]): Answer => [400, { success: 0, message: INVALID, failureReasons }]

function parsed(raw: Buffer): { contacts?: GivenContact[] } | null {
  try {
    return JSON.parse(raw.toString('utf8'))
  } catch {
    return null
  }
}

function wrongWith(contact: unknown): string | null {
  const { email } = (contact ?? {}) as GivenContact
  if (email === undefined || email === null) return "Field 'email' not found"
  return typeof email === 'string' && isAddress(email) ? null : "Field 'email' incorrect format"
}

const ATOM = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+$/i
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i
function isAddress(text: string): boolean {
  const [local = '', domain = '', ...rest] = text.split('@')
  const labels = domain.split('.')
  const isLocal = local.length <= 64 && local.split('.').every((atom) => ATOM.test(atom))
  const isDomain = labels.length > 1 && labels.every((label) => LABEL.test(label))
  return rest.length === 0 && text.length <= 254 && isLocal && isDomain
}
