// Where an import reads from, as UTF-8: a file that can be read again from its start, or a stream.
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { addAbortSignal, type Readable } from 'node:stream'

/** A path, or a stream that is read once. */
export type ImportInput = string | Readable
export interface Source {
  /** Null: not known before the end. */
  size: number | null
  /** The content from the start, in UTF-8 without byte order mark; `onBytes` hears how far reading is. */
  read(onBytes?: (bytes: number) => void): AsyncGenerator<Buffer>
  close(): Promise<void>
}

const CHUNK = 64 * 1024
const NOTHING = Buffer.alloc(0)

/**
 * Opens a file, or a stream; a stream that is to be read again is put aside in a temporary file. That file has
 * no name from its first moment, so it is gone when the process is, however that ends.
 */
export async function openSource(options: {
  input: ImportInput
  isReadAgain: boolean
  spoolDir?: string | undefined
  signal?: AbortSignal | undefined
  onSpooled?: ((bytes: number) => void) | undefined
}): Promise<Source> {
  const { input } = options
  if (typeof input !== 'string') return openStream({ ...options, input })
  const handle = await fs.open(input, 'r')
  const stats = await handle.stat()
  if (stats.isFile()) return fileSource(handle, stats.size)
  if (stats.isDirectory()) {
    await handle.close()
    throw new Error(`${input} is a folder. Name a file.`)
  }
  return openStream({ ...options, input: handle.createReadStream() }) // a pipe has no start to go back to
}

/** Any encoding with a byte order mark, and UTF-8 without, as UTF-8. */
export async function* decoded(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let decode: Decoder | null = null
  let head: Buffer = NOTHING
  for await (const chunk of chunks) {
    if (decode) {
      yield decode(chunk)
      continue
    }
    head = Buffer.concat([head, chunk])
    if (head.length < 3) continue
    decode = decoderOf(head)
    yield decode(head)
  }
  if (!decode) {
    decode = decoderOf(head)
    yield decode(head)
  }
  yield decode(null)
}

async function openStream(options: {
  input: Readable
  isReadAgain: boolean
  spoolDir?: string | undefined
  signal?: AbortSignal | undefined
  onSpooled?: ((bytes: number) => void) | undefined
}): Promise<Source> {
  const input = options.signal ? addAbortSignal(options.signal, options.input) : options.input
  if (!options.isReadAgain) return streamSource(input)
  const folder = await fs.mkdtemp(path.join(options.spoolDir ?? os.tmpdir(), 'import-'))
  const file = path.join(folder, 'spool')
  const handle = await fs.open(file, 'wx+', 0o600)
  await fs.rm(folder, { recursive: true })
  try {
    let size = 0
    for await (const chunk of input) {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
      await handle.appendFile(bytes) // not a write stream: it would keep the handle from closing
      size += bytes.length
      options.onSpooled?.(size)
    }
    return fileSource(handle, size)
  } catch (error) {
    await handle.close()
    throw error
  }
}

function streamSource(input: Readable): Source {
  async function* raw(onBytes?: (bytes: number) => void): AsyncGenerator<Buffer> {
    let position = 0
    for await (const chunk of input) {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
      position += bytes.length
      yield bytes
      onBytes?.(position)
    }
  }
  return { size: null, read: (onBytes) => decoded(raw(onBytes)), close: async () => void input.destroy() }
}

function fileSource(handle: fs.FileHandle, size: number): Source {
  async function* raw(onBytes?: (bytes: number) => void): AsyncGenerator<Buffer> {
    for (let position = 0; ; ) {
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(CHUNK), 0, CHUNK, position)
      if (bytesRead === 0) return
      position += bytesRead
      yield buffer.subarray(0, bytesRead)
      onBytes?.(position)
    }
  }
  return { size, read: (onBytes) => decoded(raw(onBytes)), close: () => handle.close() }
}

/** Null is the end; what it answers is the rest. */
type Decoder = (chunk: Buffer | null) => Buffer

function decoderOf(head: Buffer): Decoder {
  if (head[0] === 0xff && head[1] === 0xfe) return utf16Decoder(false)
  if (head[0] === 0xfe && head[1] === 0xff) return utf16Decoder(true)
  if (head[0] !== 0xef || head[1] !== 0xbb || head[2] !== 0xbf) return (chunk) => chunk ?? NOTHING
  let skip = 3
  return (chunk) => {
    const rest = chunk?.subarray(skip)
    skip = 0
    return rest ?? NOTHING
  }
}

/** Half surrogate pairs become NUL, which is refused where the row is known; UTF-8 could not carry them. */
function utf16Decoder(isBigEndian: boolean): Decoder {
  let rest: Buffer = NOTHING
  let isStart = true
  return (chunk) => {
    if (chunk === null) return rest.length > 0 ? Buffer.from('\0') : NOTHING
    const bytes = Buffer.concat([rest, chunk])
    let end = bytes.length & ~1
    const highByte = isBigEndian ? bytes[end - 2] : bytes[end - 1]
    // The first half of a pair waits for the second.
    if (end > 0 && highByte !== undefined && highByte >= 0xd8 && highByte <= 0xdb) end -= 2
    rest = bytes.subarray(end)
    const units = isBigEndian ? Buffer.from(bytes.subarray(0, end)).swap16() : bytes.subarray(0, end)
    const text = units.toString('utf16le', isStart && end > 0 ? 2 : 0)
    if (end > 0) isStart = false
    return Buffer.from(text.isWellFormed() ? text : text.replace(/\p{Surrogate}/gu, '\0'))
  }
}
