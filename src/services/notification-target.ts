import { randomUUID } from 'node:crypto'
import { openSigningSecret } from '../destinations/account.ts'
import { DeliveryError } from '../destinations/driver.ts'
import { authorize, type Session } from '../domain/access.ts'
import { invalid, notFound, Refusal, type UserError } from '../domain/errors.ts'
import type { NotificationEvent } from '../domain/notification.ts'
import { checkTexts, normalizeName, oneLine } from '../domain/text.ts'
import { dataflowStore } from '../storage/dataflow.ts'
import { note } from '../storage/deed.ts'
import { notificationTargetStore } from '../storage/notification-target.ts'
import type { Row } from '../storage/tables.ts'
import type { ServiceContext } from './context.ts'
import { againWhenStale, changedAt } from './stale.ts'

export interface CreateNotificationTargetInput {
  name: string
  url: string
  events: readonly NotificationEvent[]
  /** Empty: all. */
  dataflowIds?: readonly string[] | null | undefined
  /** One is made when it is absent. */
  secret?: string | null | undefined
}
/** What is absent or null stays as it is. */
export interface UpdateNotificationTargetInput
  extends Partial<Omit<CreateNotificationTargetInput, 'name' | 'url' | 'events'>> {
  id: string
  name?: string | null | undefined
  url?: string | null | undefined
  events?: readonly NotificationEvent[] | null | undefined
}
type Target = Row<'notificationTargets'>
export type NotificationTargetService = ReturnType<typeof notificationTargetService>

const MAX_TARGETS = 50
const MAX_DATAFLOWS = 250
const MAX_URL = 2_000
/** Shorter than a request may take. */
const TEST_MS = 8_000

/** Who is told of what happens to dataflows. Administrators alone; the signing secret is shown once, if ever. */
export function notificationTargetService(ctx: ServiceContext) {
  const { database, clock, newId, vault, messenger } = ctx
  const store = notificationTargetStore(database)
  const find = async (session: Session, id: string, path: string[]): Promise<Target> => {
    const [row] = await store.byIds(session.sandbox.id, [id])
    if (!row) throw new Refusal(notFound('notification target', id, path))
    return row
  }

  return {
    /**
     * Stores a target; it is told of what happens from now on.
     * @returns with the secret when it was made here
     * @throws Refusal with everything that is wrong with the input
     */
    async create(
      session: Session,
      input: CreateNotificationTargetInput,
    ): Promise<{ target: Target; secret: string | null }> {
      authorize(session, 'notifications:write')
      const errors = await checkInput(ctx, session, input)
      const count = await store.count(session.sandbox.id)
      if (count >= MAX_TARGETS) {
        const message = `A sandbox has at most ${MAX_TARGETS} notification targets.`
        errors.push(tooMany(['input'], message, { limit: MAX_TARGETS, requested: count + 1 }))
      }
      if (errors.length > 0) throw new Refusal(errors)
      const id = newId('notificationTarget')
      const made = input.secret == null ? messenger.newSecret() : null
      const now = clock()
      const row = {
        id,
        sandboxId: session.sandbox.id,
        name: normalizeName(input.name),
        url: new URL(input.url).href,
        secret: vault.seal(input.secret ?? made ?? '', id),
        events: [...new Set(input.events)],
        dataflowIds: [...new Set(input.dataflowIds)],
        createdAt: now,
        updatedAt: now,
      }
      note('notificationTarget', id, { after: row })
      await database.batch([store.insert(row)])
      return { target: await find(session, id, ['input']), secret: made }
    },

    /**
     * Changes a target. With another address or secret, what waits is tried at once.
     * @throws Refusal NOT_FOUND, or with everything that is wrong with the input
     */
    async update(session: Session, input: UpdateNotificationTargetInput): Promise<Target> {
      authorize(session, 'notifications:write')
      return againWhenStale(database, async () => {
        const row = await find(session, input.id, ['input', 'id'])
        const errors = await checkInput(ctx, session, input)
        if (errors.length > 0) throw new Refusal(errors)
        const isElsewhere = input.url != null || input.secret != null
        const changes = {
          ...(input.name != null && { name: normalizeName(input.name) }),
          ...(input.url != null && { url: new URL(input.url).href }),
          ...(input.events != null && { events: [...new Set(input.events)] }),
          ...(input.dataflowIds != null && { dataflowIds: [...new Set(input.dataflowIds)] }),
          ...(input.secret != null && { secret: vault.seal(input.secret, row.id) }),
          ...(isElsewhere && { attempt: 0, failingSince: null, retryAt: null, lastError: null }),
          updatedAt: changedAt(row, clock()),
        }
        note('notificationTarget', row.id, { before: row, after: changes })
        await database.batch([store.update(row, changes)])
        database.wake.notify('notifications')
        return find(session, row.id, ['input', 'id'])
      })
    },

    /** Ends a target; what waited for it is not sent. @throws Refusal NOT_FOUND */
    async remove(session: Session, id: string): Promise<Target> {
      authorize(session, 'notifications:write')
      return againWhenStale(database, async () => {
        const row = await find(session, id, ['id'])
        note('notificationTarget', id, { before: row })
        await database.batch(store.remove(id))
        return row
      })
    },

    /**
     * Sends a message for which nothing is to be done, and waits for the answer. Changes nothing.
     * @throws Refusal NOT_FOUND, CONFLICT for a secret that cannot be opened, DESTINATION_REFUSED
     */
    async test(session: Session, id: string): Promise<Target> {
      authorize(session, 'notifications:write')
      const row = await find(session, id, ['id'])
      const message = messenger.testMessage(randomUUID(), clock())
      const signal = AbortSignal.timeout(TEST_MS)
      try {
        const secret = openSigningSecret(vault, row)
        await messenger.send(message, { url: row.url, secret }, signal)
      } catch (error) {
        throw refusalOf(row, error, signal) ?? error
      }
      return row
    },
  }
}

async function checkInput(
  { database, messenger }: ServiceContext,
  session: Session,
  input: Partial<Omit<UpdateNotificationTargetInput, 'id'>>,
): Promise<UserError[]> {
  const errors = checkTexts(input)
  const { url, events, dataflowIds, secret } = input
  if (url != null) {
    const isLong = url.length > MAX_URL
    const refusal = isLong ? `url is at most ${MAX_URL} characters long.` : messenger.refusalOf(url)
    if (refusal !== null) errors.push(invalid(['input', 'url'], refusal))
  }
  if (events?.length === 0) errors.push(invalid(['input', 'events'], 'Name at least one event.'))
  if (secret != null && !messenger.isSecret(secret)) {
    const rule = 'secret is whsec_ and after it 24 to 64 random bytes in base64, nothing else.'
    errors.push(invalid(['input', 'secret'], rule))
  }
  return [...errors, ...(await checkDataflows(database, session, dataflowIds ?? []))]
}

async function checkDataflows(
  database: ServiceContext['database'],
  session: Session,
  ids: readonly string[],
): Promise<UserError[]> {
  const path = ['input', 'dataflowIds']
  if (ids.length > MAX_DATAFLOWS) {
    const message = `A target names at most ${MAX_DATAFLOWS} dataflows; none means all.`
    return [tooMany(path, message, { limit: MAX_DATAFLOWS, requested: ids.length })]
  }
  if (ids.length === 0) return []
  const rows = await dataflowStore(database).byIds(session.sandbox.id, [...new Set(ids)])
  const known = new Set(rows.map(({ id }) => id))
  return ids.flatMap((id, index) =>
    known.has(id) ? [] : [notFound('dataflow', id, [...path, String(index)])],
  )
}

/** What a test says that failed; null for what is nobody's fault outside. */
function refusalOf({ id, name }: Target, error: unknown, signal: AbortSignal): Refusal | null {
  const told = error instanceof DeliveryError ? error : null
  if (told?.code === 'SECRETS_UNREADABLE') {
    return new Refusal({ code: 'CONFLICT', message: told.message, path: ['id'], nodeId: id })
  }
  if (!told && !signal.aborted) return null
  const detail = oneLine(told?.message ?? `The endpoint does not answer within ${TEST_MS / 1000} s.`)
  const message = `The target ${JSON.stringify(name)} did not take the test message. Mend its URL or secret, or the endpoint.`
  return new Refusal({ code: 'DESTINATION_REFUSED', message, path: ['id'], detail })
}

function tooMany(
  path: string[],
  message: string,
  { limit, requested }: { limit: number; requested: number },
): UserError {
  return { code: 'LIMIT_EXCEEDED', message, path, limit, requested }
}
