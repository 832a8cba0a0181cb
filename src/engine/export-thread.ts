// The export thread: reads pages, encodes, hashes, compresses, and hands buffers to the main thread, which gives them
// to the driver. It carries out many orders at a time, page by page in turns: one that waits for a slow destination
// holds up no other.
import { setImmediate as turn } from 'node:timers/promises'
import { type MessagePort, parentPort } from 'node:worker_threads'
import { isMembershipStatus } from '../domain/membership.ts'
import type { RunPlan } from '../domain/model.ts'
import type { ExportReader, ExportSource } from '../storage/capabilities.ts'
import { openExportReader } from '../storage/export-reader.ts'
import { type Outlet, outlet } from './outlet.ts'
import { partOutput } from './part-output.ts'
import { readProfiles } from './profile-reader.ts'
import type { ProfileRow } from './profile-rows.ts'
import type { EncodedRejection } from './row-encoder.ts'
import { rowEncoder } from './row-encoders.ts'

export type ExportOrder = FileOrder | ProfileOrder
interface Order {
  source: ExportSource
  plan: RunPlan
  /** Read from here on: everything up to it is done with. */
  afterProfileId: number
}
export interface FileOrder extends Order {
  /** Number of the first part to write. */
  part: number
}
/** For destinations that take profiles. */
export interface ProfileOrder extends Order {
  /** Null: what is to be sent, and what is rejected. Otherwise once more what the run sent up to an id. */
  sent: { upToProfileId: number; inRun: string } | null
}
export type FromThread =
  | { type: 'data'; bytes: Uint8Array<ArrayBuffer> }
  | { type: 'page'; received: number; exported: number; rejected: EncodedRejection[] }
  | { type: 'part'; part: number; rows: number; bytes: number; sha256: string; afterProfileId: number }
  | { type: 'profiles'; rows: ProfileRow[]; lastProfileId: number }
  | { type: 'end' }
  | { type: 'failed'; error: unknown }
/** Goes to the thread; everything else goes through the order's port. */
export interface NewOrder {
  order: ExportOrder
  port: MessagePort
}
/** For every `data`, `page` and `profiles` that was dealt with: the buffer of a `data` comes back to be filled again. */
export interface ToThread {
  taken: ArrayBuffer | null
}

const PAGE_ROWS = 2_000

if (!parentPort) throw new Error('export-thread.ts runs as a worker thread')
parentPort.on('message', ({ order, port }: NewOrder) => void carryOut(order, outlet(port)))

/** Ends with the order, or when it is left: then what is under way waits for room that never comes, and is forgotten. */
async function carryOut(order: ExportOrder, out: Outlet): Promise<void> {
  try {
    const reader = openReader(order)
    try {
      const work = 'part' in order ? exportAll(order, reader, out) : readProfiles(order, reader, out)
      await Promise.race([work, out.left])
    } finally {
      await reader.close()
    }
    out.post({ type: 'end' })
  } catch (error) {
    out.post({ type: 'failed', error })
  } finally {
    out.close()
  }
}

function openReader(order: ExportOrder): ExportReader {
  const { source, plan } = order
  const sent = 'part' in order ? null : order.sent
  const attributes = plan.fields.filter(({ source }) => !isMembershipStatus(source))
  return openExportReader(source, {
    version: plan.snapshot.version,
    since: plan.since?.version ?? null,
    refusedIn: plan.refusedIn ?? null,
    paths: plan.fields.map((field) => (isMembershipStatus(field.source) ? null : field.source)),
    asText: plan.fileFormat?.type === 'CSV',
    deduplicateBy: plan.deduplicateBy,
    required: attributes.filter((field) => field.required).map((field) => field.source),
    consent: plan.consentAttribute,
    sent,
  })
}

async function exportAll(order: FileOrder, reader: ExportReader, out: Outlet): Promise<void> {
  const { plan, afterProfileId, part: firstPart } = order
  const format = plan.fileFormat
  if (format === null) throw new Error('the plan has no file format')
  const encoder = rowEncoder({ columns: plan.fields, hasConsent: plan.consentAttribute !== null, format })
  const { header } = encoder
  await reader.prepare()

  let number = firstPart
  let part = partOutput(format, out.send)
  let rows = 0
  let last = afterProfileId
  const isFull = () => rows === format.maxRowsPerFile
  const endPart = async () => {
    const { bytes, sha256 } = await part.end()
    out.post({ type: 'part', part: number, rows, bytes, sha256, afterProfileId: last })
  }
  const nextPart = async () => {
    await endPart()
    number += 1
    part = partOutput(format, out.send)
    rows = 0
    await part.write(header)
  }

  await part.write(header)
  for (;;) {
    await turn() // lets the compressor, the main thread and other orders be heard
    const page = await reader.page(last, PAGE_ROWS)
    if (page === null) break
    let offset = 0
    while (offset < page.lines.length) {
      const room = format.maxRowsPerFile - (isFull() ? 0 : rows)
      const encoded = encoder.encode(page.lines, offset, room)
      // A full part makes way when a further row has come, so that no part is empty.
      if (isFull() && encoded.rows > 0) await nextPart()
      await part.write(encoded.bytes)
      rows += encoded.rows
      if (encoded.rows > 0 && isFull()) await part.write(encoder.end())
      offset = encoded.consumed
      last = encoded.lastProfileId
      const received = encoded.rows + encoded.rejected.length
      await out.hand({ type: 'page', received, exported: encoded.rows, rejected: encoded.rejected })
    }
  }
  if (!isFull()) await part.write(encoder.end())
  await endPart()
}
