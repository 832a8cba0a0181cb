// What a destination has taken and deals with later: asked for, the oldest first, until it says how it went.
import { DeliveryError, type ProfileDelivery, type SentProfile } from '../destinations/driver.ts'
import type { PendingBatch } from '../domain/model.ts'
import type { Clock } from '../domain/ports.ts'
import type { ProfileRecord } from './profile-record.ts'
import type { Timer } from './timer.ts'

/** Bounds the checkpoint. At 100 requests a minute the destination has a minute before nothing more is sent. */
const MAX_PENDING = 100
const FIRST_DELAY_MS = 1_000
const MAX_DELAY_MS = 30_000
const GIVE_UP_MS = 24 * 3_600_000

export type PendingBatches = ReturnType<typeof pendingBatches>

export function pendingBatches(context: {
  delivery: ProfileDelivery
  record: ProfileRecord
  clock: Clock
  timer: Timer
  signal: AbortSignal
  sentTo(batch: PendingBatch): Promise<SentProfile[]>
}) {
  const { delivery, record, clock, timer, signal } = context
  const { pending } = record
  let delay = FIRST_DELAY_MS
  let askAt = 0

  /** Only the oldest: destinations work in order, and asking counts as a request. True when it is settled. */
  const ask = async (batch: PendingBatch): Promise<boolean> => {
    signal.throwIfAborted()
    const refused = await delivery.settle(batch.receipt, () => context.sentTo(batch))
    if (refused === null) {
      requireHope(batch, clock)
      askAt = timer.now() + delay
      delay = Math.min(delay * 2, MAX_DELAY_MS)
      return false
    }
    if (refused.length > batch.rows) throw new Error('more profiles were refused than were sent')
    delay = FIRST_DELAY_MS
    pending.shift()
    record.count({ exported: batch.rows - refused.length, failed: refused.length })
    await record.save({ refused })
    return true
  }
  const settleDue = async () => {
    for (let [oldest] = pending; oldest && timer.now() >= askAt; [oldest] = pending) {
      if (!(await ask(oldest))) return
    }
  }
  const settleUntil = async (left: number) => {
    while (pending.length > left) {
      if (timer.now() < askAt) await timer.sleep(askAt - timer.now(), signal)
      await settleDue()
    }
  }

  return {
    add(batch: Omit<PendingBatch, 'sentAt'>): void {
      if (pending.length === 0) askAt = timer.now() + delay
      pending.push({ ...batch, sentAt: clock().getTime() })
    },
    /** Asks for what is due, and waits for nothing. */
    settleDue,
    /** Resolves when another batch may be pending. */
    makeRoom: () => settleUntil(MAX_PENDING - 1),
    settleAll: () => settleUntil(0),
  }
}

function requireHope({ sentAt }: PendingBatch, clock: Clock): void {
  if (clock().getTime() - sentAt < GIVE_UP_MS) return
  const message = 'The destination took profiles and did not say in 24 hours how that went.'
  throw new DeliveryError('UNAVAILABLE', message, { retryable: false })
}
