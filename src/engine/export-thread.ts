// The export thread: reads pages, encodes, hashes, compresses, and hands buffers to the main thread, which gives them
// to the driver. At most a few buffers are on their way at a time, so memory does not depend on the segment's size.
import { createHash, type Hash } from 'node:crypto'
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { parentPort } from 'node:worker_threads'
import { createGzip, type Gzip } from 'node:zlib'
import type { RunPlan } from '../domain/model.ts'
import type { ExportSource } from '../storage/capabilities.ts'
import { openExportReader } from '../storage/export-reader.ts'
import { csvEncoder, csvHeader, type EncodedRejection, type EncoderOptions } from './csv-encoder.ts'

export interface ExportOrder {
  source: ExportSource
  plan: RunPlan
  /** Read from here on: everything up to it is in finished parts. */
  afterProfileId: number
  /** Number of the first part to write. */
  part: number
}
export type FromThread =
  | { type: 'data'; bytes: Uint8Array<ArrayBuffer> }
  | { type: 'page'; received: number; exported: number; rejected: EncodedRejection[] }
  | { type: 'part'; part: number; rows: number; bytes: number; sha256: string; afterProfileId: number }
  | { type: 'end' }
/**
 * An order, when there is none under way; and one `taken` for every `data` and `page` that was dealt with: the buffer
 * of a `data` comes back to be filled again.
 */
export type ToThread = { order: ExportOrder } | { taken: ArrayBuffer | null }

const PAGE_ROWS = 2_000
/** Messages on their way at a time: bounds the memory, whether rows are delivered or refused. */
const MAX_UNTAKEN = 8
/** A page's CSV fits, as a rule. */
const BUFFER_BYTES = 256 * 1024
const GZIP_LEVEL = 2

const port = parentPort
if (!port) throw new Error('export-thread.ts runs as a worker thread')
let untaken = 0
const waiting: (() => void)[] = []
const free: ArrayBuffer[] = []
port.on('message', async (message: ToThread) => {
  if ('order' in message) {
    await exportAll(message.order) // what it throws ends the thread, and is told as its error
    post({ type: 'end' })
    return
  }
  if (message.taken) free.push(message.taken)
  untaken -= 1
  waiting.shift()?.()
})

async function exportAll({ source, plan, afterProfileId, part: firstPart }: ExportOrder): Promise<void> {
  const format = plan.fileFormat
  if (format === null) throw new Error('the plan has no file format')
  const options: EncoderOptions = { columns: plan.fields, hasConsent: plan.consentAttribute !== null, format }
  const reader = openExportReader(source, {
    version: plan.snapshot.version,
    refusedIn: plan.refusedIn ?? null,
    paths: plan.fields.map((field) => field.source),
    deduplicateBy: plan.deduplicateBy,
    required: plan.fields.filter((field) => field.required).map((field) => field.source),
    consent: plan.consentAttribute,
  })
  const encode = csvEncoder(options)
  const header = csvHeader(options)
  await reader.prepare()

  let number = firstPart
  let part = partOutput(format.compression === 'GZIP')
  await part.write(header)
  let last = afterProfileId
  const endPart = async () => {
    const { bytes, sha256 } = await part.end()
    post({ type: 'part', part: number, rows: part.rows, bytes, sha256, afterProfileId: last })
  }

  for (;;) {
    await turn() // lets the compressor and the main thread be heard
    const page = await reader.page(last, PAGE_ROWS)
    if (page === null) break
    let offset = 0
    while (offset < page.lines.length) {
      const isFull = part.rows === format.maxRowsPerFile
      const encoded = encode(page.lines, offset, format.maxRowsPerFile - (isFull ? 0 : part.rows))
      // A full part is closed when a further row has come, so that no part is empty.
      if (isFull && encoded.rows > 0) {
        await endPart()
        number += 1
        part = partOutput(format.compression === 'GZIP')
        await part.write(header)
      }
      await part.write(encoded.bytes)
      part.rows += encoded.rows
      offset = encoded.consumed
      last = encoded.lastProfileId
      const received = encoded.rows + encoded.rejected.length
      await credit()
      post({ type: 'page', received, exported: encoded.rows, rejected: encoded.rejected })
    }
  }
  await endPart()
  await reader.close()
}

/** Bytes of one part on their way: through gzip or not, hashed as they leave. */
function partOutput(isGzip: boolean) {
  const hash = createHash('sha256')
  const total = { bytes: 0 }
  const gzip = isGzip ? createGzip({ level: GZIP_LEVEL, chunkSize: 256 * 1024 }) : null
  let compressed: Promise<unknown> = Promise.resolve()
  const leaving = gzip ? forward(gzip, hash, total) : Promise.resolve()
  return {
    rows: 0,
    async write(bytes: Uint8Array): Promise<void> {
      if (bytes.length === 0) return
      if (!gzip) await send(bytes, hash, total)
      else {
        // The compressor works beside this thread: it is given a page, and has until the next one is read.
        await compressed
        if (!gzip.write(bytes.slice())) compressed = once(gzip, 'drain')
      }
    },
    async end(): Promise<{ bytes: number; sha256: string }> {
      gzip?.end()
      await leaving
      return { bytes: total.bytes, sha256: hash.digest('hex') }
    },
  }
}

async function forward(gzip: Gzip, hash: Hash, total: { bytes: number }): Promise<void> {
  for await (const chunk of gzip) await send(chunk, hash, total)
}

async function send(bytes: Uint8Array, hash: Hash, total: { bytes: number }): Promise<void> {
  await credit()
  hash.update(bytes)
  total.bytes += bytes.length
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
