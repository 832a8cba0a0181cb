// Tells those who want to know what happens to dataflows. Each target has its own queue: what one of them does not take
// waits, and holds up no other.
import { openSigningSecret } from '../destinations/account.ts'
import { DeliveryError } from '../destinations/driver.ts'
import type { Clock, Logger, Messenger, Vault } from '../domain/ports.ts'
import { oneLine } from '../domain/text.ts'
import { type Database, StaleWrite } from '../storage/database.ts'
import { notificationLease } from '../storage/notification-lease.ts'
import type { Row } from '../storage/tables.ts'
import { notificationSorter } from './notification-sorter.ts'

const POLL_MS = 1_000
const DELAYS_MS = 60_000
/** Targets that are sent to at once. */
const MAX_ACTIVE = 8
/** Messages in a row to one target, before others have their turn. */
const MAX_IN_A_ROW = 100
/** A message that is refused for so long is given up. */
const LIFETIME_MS = 3 * 24 * 3_600_000
const [FIRST_WAIT_MS, LONGEST_WAIT_MS] = [5_000, 15 * 60_000]

export interface NotifierOptions {
  database: Database
  messenger: Messenger
  vault: Vault
  clock: Clock
  log: Logger
  /** This process, as `database.life` knows it. */
  processId: string
  /** How often is looked for news, where no wake-up comes. */
  pollMs?: number
}
export type Notifier = ReturnType<typeof notifier>

export function notifier(options: NotifierOptions) {
  const { database, clock, log, pollMs = POLL_MS } = options
  const lease = notificationLease(database, options.processId)
  const sorter = notificationSorter(options)
  const stopping = new AbortController()
  const { signal } = stopping
  const active = new Set<Promise<void>>()
  let loops: Promise<unknown> = Promise.resolve()

  const sort = async () => {
    let lookedAt = Number.NEGATIVE_INFINITY
    while (!signal.aborted) {
      try {
        const now = clock().getTime()
        if (now - lookedAt >= DELAYS_MS) {
          await sorter.lookForDelays()
          lookedAt = now
        }
        if (await sorter.sort()) continue
      } catch (error) {
        log.error({ error }, 'what is to be notified of could not be read; trying again')
      }
      await database.wake.wait('run-news', pollMs, signal)
    }
  }
  const send = async () => {
    while (!signal.aborted) {
      const target = active.size < MAX_ACTIVE ? await claim() : null
      if (!target) {
        await database.wake.wait('notifications', pollMs, signal)
        continue
      }
      const task: Promise<void> = sendAll({ ...options, lease, signal, target }).finally(() => {
        active.delete(task)
        database.wake.notify('notifications')
      })
      active.add(task)
    }
  }
  const claim = async () => {
    try {
      return await lease.claim(clock())
    } catch (error) {
      log.error({ error }, 'the notifications that wait could not be read; trying again')
      return null
    }
  }

  return {
    start() {
      loops = Promise.all([sort(), send()])
    },
    /** A message that is under way may be sent again by the next process. */
    async stop(): Promise<void> {
      stopping.abort()
      await loops
      await Promise.all(active)
    },
  }
}

interface Task extends NotifierOptions {
  lease: ReturnType<typeof notificationLease>
  signal: AbortSignal
  target: Row<'notificationTargets'>
}

/** Sends what waits, in order, until nothing does or an attempt fails. Never rejects. */
async function sendAll(task: Task): Promise<void> {
  const { lease, target, clock, log, signal } = task
  try {
    for (let count = 0; count < MAX_IN_A_ROW && !signal.aborted; count += 1) {
      const message = await lease.next(target)
      if (!message) break
      if (clock().getTime() - message.createdAt.getTime() > LIFETIME_MS) {
        await lease.dropped(target, message.seq, clock())
        log.error({ targetId: target.id, seq: message.seq }, 'a notification was given up')
      } else if (!(await sendOne(task, message))) return
    }
    await lease.release(target)
  } catch (error) {
    // Another process has the target, or it is gone: nothing is to be noted. Of anything else the lease decides.
    if (!(error instanceof StaleWrite)) log.error({ targetId: target.id, error }, 'notifications stopped')
  }
}

/** Whether the target took the message; otherwise it is let go of, to be tried later. */
async function sendOne(task: Task, { seq, body }: Row<'notificationMessages'>): Promise<boolean> {
  const { lease, target, vault, messenger, clock, log, signal } = task
  try {
    const secret = openSigningSecret(vault, target)
    await messenger.send({ id: `${target.id}_${seq}`, body }, { url: target.url, secret }, signal)
  } catch (error) {
    if (signal.aborted) {
      await lease.release(target)
      return false
    }
    const at = clock()
    const attempt = target.attempt + 1
    const wait = Math.min(FIRST_WAIT_MS * 2 ** Math.min(attempt - 1, 20), LONGEST_WAIT_MS)
    const asked = error instanceof DeliveryError ? (error.retryAfterMs ?? 0) : 0
    const message = error instanceof DeliveryError ? oneLine(error.message) : 'INTERNAL: see the log.'
    const code = error instanceof DeliveryError ? { code: error.code } : { error }
    log.warn({ targetId: target.id, seq, attempt, ...code }, 'a notification was not taken')
    const since = target.failingSince ?? at
    const retryAt = new Date(at.getTime() + Math.max(wait, asked))
    await lease.failed(target, { attempt, since, retryAt, message })
    return false
  }
  const at = clock()
  await lease.sent(target, seq, at)
  Object.assign(target, { attempt: 0, failingSince: null })
  return true
}
