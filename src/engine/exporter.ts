// One claimed run of a file destination, from its first page to its manifest.
//
//   READING, DELIVERING   parts are written under temporary names; each finished part is a checkpoint
//   FINALIZING            the point of no return: parts get their names one by one, then the manifest is written
//
// Whatever stops this in between, the next claim goes on from what the run row says.
import type { FileDelivery, PartWriter } from '../destinations/driver.ts'
import { manifestName, partName } from '../domain/filename.ts'
import type { FileCheckpoint, FinishedPart, RunCounters } from '../domain/model.ts'
import type { Clock } from '../domain/ports.ts'
import type { Database } from '../storage/database.ts'
import type { Claim, RunLease } from '../storage/run-lease.ts'
import type { Rejected } from '../storage/run-rejections.ts'
import type { Row } from '../storage/tables.ts'
import { requireUsable } from './encryption.ts'
import type { FileOrder, FromThread } from './export-thread.ts'
import type { ExportThreads } from './export-threads.ts'
import { manifestOf } from './manifest.ts'
import { EVENT_MS, notBelow, REJECTED_AT_ONCE } from './progress.ts'

export interface ExportContext {
  database: Database
  lease: RunLease
  clock: Clock
  run: Row<'runs'>
  claim: Claim
  delivery: FileDelivery
  threads: ExportThreads
  /** Of the parts' names, e.g. csv.gz. */
  extension: string
  /** Stops the export before the point of no return. */
  signal: AbortSignal
}

/** Resolves when every file and the manifest are in place. @throws StaleWrite, DeliveryError, or the signal's reason */
export async function exportRun(context: ExportContext): Promise<void> {
  const { run, delivery } = context
  const checkpoint = (run.phase === 'FINALIZING' ? fileCheckpoint(run) : null) ?? (await writeParts(context))
  await publish(context, checkpoint)
  await delivery.discard(checkpoint.baseName, [])
}

async function writeParts(context: ExportContext): Promise<FileCheckpoint> {
  const { lease, claim, clock, run } = context
  const { publicKey } = run.plan.fileFormat ?? {}
  if (publicKey !== undefined) await requireUsable(publicKey, clock())
  const start = await startingPoint(context)
  await context.delivery.discard(start.baseName, start.parts)
  await lease.forgetRejections(claim, { afterProfileId: start.afterProfileId, clock })
  const output = partsOutput(context, start)
  const order: FileOrder = {
    source: context.database.exportSource(),
    plan: context.run.plan,
    afterProfileId: start.afterProfileId,
    part: start.parts.length + 1,
  }
  try {
    for await (const message of context.threads.run(order, context.signal)) await output.take(message)
  } catch (error) {
    await output.abort().catch(() => {}) // what stopped the export is what counts
    throw error
  }
  const checkpoint = output.checkpoint()
  await lease.finalizing(claim, checkpoint, clock())
  return checkpoint
}

/** The run's checkpoint if its parts are still there; otherwise the beginning, under a name that is free. */
async function startingPoint({ run, delivery, extension }: ExportContext): Promise<FileCheckpoint> {
  const { plan } = run
  const checkpoint = fileCheckpoint(run)
  const found = await Promise.all((checkpoint?.parts ?? []).map((part) => delivery.hasPart(part)))
  if (checkpoint && found.every(Boolean)) return checkpoint
  const wanted = plan.fileName ?? run.id
  const isTaken = !plan.isStaticName && (await delivery.exists(partName(wanted, 1, extension)))
  return {
    baseName: isTaken ? `${wanted}_${run.id}` : wanted,
    afterProfileId: 0,
    counters: { received: 0, exported: 0, excluded: 0, failed: 0, bytes: 0, files: 0 },
    parts: [],
  }
}

export function fileCheckpoint({ checkpoint }: Row<'runs'>): FileCheckpoint | null {
  return checkpoint && 'parts' in checkpoint ? checkpoint : null
}

/** Takes the thread's messages in order: bytes to the driver, counters and checkpoints to the run row. */
function partsOutput(context: ExportContext, start: FileCheckpoint) {
  const { run, lease, claim, clock, delivery, extension } = context
  const counters: RunCounters = { ...start.counters }
  let { afterProfileId } = start
  const parts = [...start.parts]
  let rejected: Rejected[] = []
  let writer: PartWriter | null = null
  let flushedAt = clock().getTime()
  const nextName = () => partName(start.baseName, parts.length + 1, extension)
  const checkpoint = (): FileCheckpoint => ({
    ...start,
    afterProfileId,
    counters: { ...counters },
    parts: [...parts],
  })

  const flush = async (save?: FileCheckpoint) => {
    flushedAt = clock().getTime()
    await lease.progress(claim, {
      counters: notBelow(run, counters),
      phase: counters.bytes > 0 ? 'DELIVERING' : 'READING',
      ...(save ? { checkpoint: save } : {}),
      at: clock(),
    })
  }
  const storeRejected = async () => {
    if (rejected.length > 0) await lease.reject(claim, rejected, clock())
    rejected = []
  }
  return {
    checkpoint,
    async abort() {
      await writer?.abort()
      writer = null
    },
    async take(message: FromThread): Promise<void> {
      if (message.type === 'data') {
        writer ??= await delivery.openPart(nextName())
        await writer.write(message.bytes)
        counters.bytes += message.bytes.length
      } else if (message.type === 'page') {
        counters.received += message.received
        counters.exported += message.exported
        for (const rejection of message.rejected) {
          counters[rejection.reason === 'INVALID_VALUE' ? 'failed' : 'excluded'] += 1
          rejected.push(rejection)
        }
      } else if (message.type === 'part') {
        writer ??= await delivery.openPart(nextName()) // no byte came: JSON lines without a line
        const receipt = await writer.finish()
        writer = null
        const { part, rows, bytes, sha256 } = message
        const finished = { part, fence: claim.fence, name: nextName(), rows, bytes, sha256 }
        parts.push(receipt ? { ...finished, receipt } : finished)
        afterProfileId = message.afterProfileId
        await storeRejected()
        await flush(checkpoint())
      }
      if (rejected.length >= REJECTED_AT_ONCE) await storeRejected()
      if (clock().getTime() - flushedAt >= EVENT_MS) await flush()
    },
  }
}

async function publish(context: ExportContext, checkpoint: FileCheckpoint): Promise<void> {
  const { run, lease, claim, clock, delivery } = context
  const replace = run.plan.isStaticName
  // Files that an earlier attempt of the finalizing named and recorded.
  const done = run.phase === 'FINALIZING' ? run.files : 0
  for (const part of checkpoint.parts.slice(done)) {
    const location = await delivery.publish(part, { replace })
    await lease.fileDelivered(claim, part, location, clock())
  }
  const [first] = checkpoint.parts as [FinishedPart, ...FinishedPart[]] // an export of nothing has one part, too
  if (run.plan.fileFormat?.manifest) {
    await delivery.putFile(manifestName(first.name), await manifestOf(run, checkpoint.parts))
  }
}
