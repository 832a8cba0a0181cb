// The export thread: reads pages, encodes, hashes, compresses, and hands buffers to the main thread, which gives them
// to the driver. At most a few buffers are on their way at a time, so memory does not depend on the segment's size.
import { setImmediate as turn } from 'node:timers/promises'
import { parentPort } from 'node:worker_threads'
import type { RunPlan } from '../domain/model.ts'
import type { ExportSource } from '../storage/capabilities.ts'
import { openExportReader } from '../storage/export-reader.ts'
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
/**
 * An order, when there is none under way; and one `taken` for every `data`, `page` and `profiles` that was dealt with:
 * the buffer of a `data` comes back to be filled again.
 */
export type ToThread = { order: ExportOrder } | { taken: ArrayBuffer | null }

const PAGE_ROWS = 2_000
/** Messages on their way at a time: bounds the memory, whether rows are delivered or refused. */
const MAX_UNTAKEN = 8
/** A page's CSV fits, as a rule. */
const BUFFER_BYTES = 256 * 1024

const port = parentPort
if (!port) throw new Error('export-thread.ts runs as a worker thread')
let untaken = 0
const waiting: (() => void)[] = []
const free: ArrayBuffer[] = []
port.on('message', async (message: ToThread) => {
  if ('order' in message) {
    await carryOut(message.order) // what it throws ends the thread, and is told as its error
    post({ type: 'end' })
    return
  }
  if (message.taken) free.push(message.taken)
  untaken -= 1
  waiting.shift()?.()
})

async function carryOut(order: ExportOrder): Promise<void> {
  if ('part' in order) return exportAll(order)
  await readProfiles(order, async (rows, lastProfileId) => {
    await credit()
    post({ type: 'profiles', rows, lastProfileId })
  })
}

async function exportAll({ source, plan, afterProfileId, part: firstPart }: FileOrder): Promise<void> {
  const format = plan.fileFormat
  if (format === null) throw new Error('the plan has no file format')
  const reader = openExportReader(source, {
    version: plan.snapshot.version,
    refusedIn: plan.refusedIn ?? null,
    paths: plan.fields.map((field) => field.source),
    deduplicateBy: plan.deduplicateBy,
    required: plan.fields.filter((field) => field.required).map((field) => field.source),
    consent: plan.consentAttribute,
    sent: null,
  })
  const encoder = rowEncoder({ columns: plan.fields, hasConsent: plan.consentAttribute !== null, format })
  const { header } = encoder
  await reader.prepare()

  let number = firstPart
  let part = partOutput(format, send)
  let rows = 0
  let last = afterProfileId
  const isFull = () => rows === format.maxRowsPerFile
  const endPart = async () => {
    const { bytes, sha256 } = await part.end()
    post({ type: 'part', part: number, rows, bytes, sha256, afterProfileId: last })
  }
  const nextPart = async () => {
    await endPart()
    number += 1
    part = partOutput(format, send)
    rows = 0
    await part.write(header)
  }

  await part.write(header)
  for (;;) {
    await turn() // lets the compressor and the main thread be heard
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
      await credit()
      post({ type: 'page', received, exported: encoded.rows, rejected: encoded.rejected })
    }
  }
  if (!isFull()) await part.write(encoder.end())
  await endPart()
  await reader.close()
}

/** Hands a copy to the main thread, in a buffer that comes back. */
async function send(bytes: Uint8Array): Promise<void> {
  await credit()
  const spare = free.pop()
  const buffer =
    spare && spare.byteLength >= bytes.length ? spare : new ArrayBuffer(Math.max(bytes.length, BUFFER_BYTES))
  const copy = new Uint8Array(buffer, 0, bytes.length)
  copy.set(bytes)
  port?.postMessage({ type: 'data', bytes: copy } satisfies FromThread, [buffer])
}

async function credit(): Promise<void> {
  while (untaken >= MAX_UNTAKEN) {
    await new Promise<void>((resolve) => {
      waiting.push(resolve)
    })
  }
  untaken += 1
}

function post(message: FromThread): void {
  port?.postMessage(message)
}
