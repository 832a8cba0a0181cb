// What is written down of a run that sends profiles: its checkpoint, its counters, and what was rejected.
import type { RefusedProfile } from '../destinations/driver.ts'
import type { PendingBatch, ProfileCheckpoint, RunCounters } from '../domain/model.ts'
import type { Rejected } from '../storage/run-rejections.ts'
import type { ProfileExportContext } from './profile-exporter.ts'
import { EVENT_MS, notBelow, REJECTED_AT_ONCE } from './progress.ts'

export type ProfileRecord = ReturnType<typeof profileRecord>

export function profileRecord(
  { run, lease, claim, clock }: Pick<ProfileExportContext, 'run' | 'lease' | 'claim' | 'clock'>,
  start: ProfileCheckpoint,
) {
  /** Of everything up to the checkpoint's profile. */
  const counters: RunCounters = { ...start.counters }
  const pending: PendingBatch[] = [...start.pending]
  let { afterProfileId } = start
  let isAllSent = run.phase === 'FINALIZING'
  let rejected: Rejected[] = []
  let toldAt = 0
  const checkpoint = (): ProfileCheckpoint => ({
    afterProfileId,
    counters: { ...counters },
    pending: [...pending],
  })

  const isTellingDue = () => clock().getTime() - toldAt >= EVENT_MS

  const record = {
    isTellingDue,
    /** Oldest first; what is changed here is in the next checkpoint. */
    pending,
    get afterProfileId() {
      return afterProfileId
    },
    /** Everything up to the profile is taken or left out. */
    advance(upToProfileId: number): void {
      afterProfileId = upToProfileId
    },
    count(more: Partial<RunCounters>): void {
      addTo(counters, more)
    },
    /** For profiles beyond the checkpoint: they are looked at again after a crash. */
    async reject(more: Rejected): Promise<void> {
      rejected.push(more)
      if (rejected.length < REJECTED_AT_ONCE) return
      await lease.reject(claim, rejected, clock())
      rejected = []
    },
    /** Makes the checkpoint lasting, in one step with what was refused in it. `ahead`: what was looked at beyond it. */
    async save({
      ahead,
      refused = [],
    }: {
      ahead?: Partial<RunCounters>
      refused?: readonly RefusedProfile[]
    } = {}): Promise<void> {
      rejected.push(...refused.map((one) => ({ ...one, reason: 'REFUSED_BY_DESTINATION' as const })))
      await lease.sent(claim, { checkpoint: checkpoint(), rejected, at: clock() })
      rejected = []
      if (isTellingDue()) await record.tell(ahead)
    },
    /** Tells watchers how far the run is. */
    async tell(ahead: Partial<RunCounters> = {}): Promise<void> {
      toldAt = clock().getTime()
      const shown = addTo({ ...counters }, ahead)
      const phase = isAllSent ? 'FINALIZING' : shown.bytes > 0 ? 'DELIVERING' : 'READING'
      await lease.progress(claim, { counters: notBelow(run, shown), phase, at: clock() })
    },
    /** Everything is sent. */
    async allSent(): Promise<void> {
      await record.save()
      isAllSent = true
      await lease.finalizing(claim, checkpoint(), clock())
    },
  }
  return record
}

function addTo(counters: RunCounters, more: Partial<RunCounters>): RunCounters {
  for (const [name, count] of Object.entries(more)) counters[name as keyof RunCounters] += count
  return counters
}
