// One claimed run of a destination that takes profiles, from its first page to the last word of the destination.
//
//   READING, DELIVERING   profiles are sent, request by request; each is a checkpoint
//   FINALIZING            all are sent; what the destination still says of them is waited for
//
// Requests are made of the profiles in their order, from the checkpoint on, so that the one that was under way at a
// crash is made again, the same.
import type { ProfileDelivery } from '../destinations/driver.ts'
import type { ProfileCheckpoint, RunCounters } from '../domain/model.ts'
import type { Clock } from '../domain/ports.ts'
import type { Database } from '../storage/database.ts'
import type { Claim, RunLease } from '../storage/run-lease.ts'
import type { Row } from '../storage/tables.ts'
import type { ProfileOrder } from './export-thread.ts'
import type { ExportThreads } from './export-threads.ts'
import { pendingBatches } from './pending-batches.ts'
import { profileRecord } from './profile-record.ts'
import type { ReadProfile } from './profile-rows.ts'
import { profileSender } from './profile-sender.ts'
import type { Timer } from './timer.ts'

export interface ProfileExportContext {
  database: Database
  lease: RunLease
  clock: Clock
  timer: Timer
  run: Row<'runs'>
  claim: Claim
  delivery: ProfileDelivery
  threads: ExportThreads
  /** Stops the export between two requests, and what waits. */
  signal: AbortSignal
}

/** Resolves when every profile was taken or refused. @throws StaleWrite, DeliveryError, or the signal's reason */
export async function exportProfiles(context: ProfileExportContext): Promise<void> {
  const { run, lease, claim, clock, threads, signal } = context
  const start = profileCheckpoint(run) ?? BEGINNING
  const { afterProfileId, continues } = start
  if (continues) await lease.adoptRejections(claim, { from: continues, upToProfileId: afterProfileId, clock })
  const record = profileRecord(context, start)
  const pending = pendingBatches({ ...context, record, sentTo: (batch) => sentTo(context, batch) })
  if (run.phase !== 'FINALIZING') {
    await lease.forgetRejections(claim, { afterProfileId, clock })
    const sender = profileSender({ ...context, record, pending })
    for await (const message of threads.run(orderOf(context, { afterProfileId, sent: null }), signal)) {
      if (message.type === 'profiles') await sender.take(message.rows, message.lastProfileId)
    }
    await sender.finish()
  }
  await pending.settleAll()
  await record.tell()
}

const NOTHING: RunCounters = { received: 0, exported: 0, excluded: 0, failed: 0, bytes: 0, files: 0 }
const BEGINNING: ProfileCheckpoint = { afterProfileId: 0, counters: NOTHING, pending: [] }

export function profileCheckpoint({ checkpoint }: Row<'runs'>): ProfileCheckpoint | null {
  return checkpoint && 'pending' in checkpoint ? checkpoint : null
}

function orderOf(
  { database, run }: ProfileExportContext,
  range: Pick<ProfileOrder, 'afterProfileId' | 'sent'>,
): ProfileOrder {
  return { source: database.exportSource(), plan: run.plan, ...range }
}

/** What was sent in a range, as the profiles are now; those that were erased since are missing. */
async function sentTo(
  context: ProfileExportContext,
  { afterProfileId, upToProfileId }: { afterProfileId: number; upToProfileId: number },
): Promise<ReadProfile[]> {
  const { run, threads, signal } = context
  const profiles: ReadProfile[] = []
  const sent = { upToProfileId, inRun: run.id }
  for await (const message of threads.run(orderOf(context, { afterProfileId, sent }), signal)) {
    if (message.type !== 'profiles') continue
    for (const row of message.rows) if ('values' in row) profiles.push(row)
  }
  return profiles
}
