// Rows in, requests out: fills up to what the destination takes at once, and keeps what it did not take.
import type { ProfileDelivery, SentBatch, SentProfile } from '../destinations/driver.ts'
import type { PendingBatches } from './pending-batches.ts'
import type { ProfileRecord } from './profile-record.ts'
import type { ProfileRow, ReadProfile } from './profile-rows.ts'

/** How many were left out, and how many refused, between the profile before and this one. */
interface Gap {
  excluded: number
  failed: number
}
interface Waiting {
  profile: ReadProfile
  before: Gap
}

export function profileSender(context: {
  delivery: ProfileDelivery
  record: ProfileRecord
  pending: PendingBatches
  signal: AbortSignal
}) {
  const { delivery, record, pending, signal } = context
  let waiting: Waiting[] = []
  let gap: Gap = { excluded: 0, failed: 0 }

  /** What was looked at beyond the last request. */
  const ahead = () => totalOf([...waiting.map(({ before }) => before), gap], waiting.length)

  const send = async () => {
    signal.throwIfAborted()
    await pending.makeRoom()
    const given = waiting.slice(0, delivery.maxProfiles).map(({ profile }) => profile)
    const batch = checked(await delivery.send(given), given)
    const { taken, refused, bytes } = batch
    const [gone, first] = [waiting.slice(0, taken), record.afterProfileId]
    waiting = waiting.slice(taken)
    const last = given[taken - 1]?.profileId ?? first
    const rows = taken - refused.length
    const { received, excluded, failed } = totalOf(
      gone.map(({ before }) => before),
      taken,
    )
    record.advance(last)
    record.count({ received, excluded, failed: failed + refused.length, bytes })
    if (batch.pending)
      pending.add({ receipt: batch.pending, afterProfileId: first, upToProfileId: last, rows })
    else record.count({ exported: rows })
    await record.save({ ahead: ahead(), refused })
    await pending.settleDue()
  }

  /** With nothing waiting, what was left out last is behind us. */
  const passGap = (lastProfileId: number) => {
    record.advance(lastProfileId)
    record.count(totalOf([gap], 0))
    gap = { excluded: 0, failed: 0 }
  }

  return {
    async take(rows: readonly ProfileRow[], lastProfileId: number): Promise<void> {
      for (const row of rows) {
        if ('values' in row) {
          waiting.push({ profile: row, before: gap })
          gap = { excluded: 0, failed: 0 }
          if (waiting.length === delivery.maxProfiles) await send()
        } else {
          gap[row.reason === 'INVALID_VALUE' ? 'failed' : 'excluded'] += 1
          await record.reject(row)
        }
      }
      if (waiting.length === 0) passGap(lastProfileId)
      if (record.isTellingDue()) await record.save({ ahead: ahead() })
    },
    /** Sends the rest. */
    async finish(): Promise<void> {
      while (waiting.length > 0) await send()
      passGap(record.afterProfileId)
      await record.allSent()
    },
  }
}

function totalOf(gaps: readonly Gap[], profiles: number) {
  const excluded = gaps.reduce((sum, gap) => sum + gap.excluded, 0)
  const failed = gaps.reduce((sum, gap) => sum + gap.failed, 0)
  return { received: profiles + excluded + failed, excluded, failed }
}

/** A driver that miscounts would lose profiles: that is a bug, and ends the attempt. */
function checked(batch: SentBatch, given: readonly SentProfile[]): SentBatch {
  const { taken, refused } = batch
  if (!(taken >= 1 && taken <= given.length))
    throw new Error(`${taken} of ${given.length} profiles cannot be taken`)
  const known = new Set(given.slice(0, taken).map(({ profileId }) => profileId))
  if (!refused.every(({ profileId }) => known.delete(profileId))) {
    throw new Error('a profile was refused that was not taken, or was refused twice')
  }
  return batch
}
