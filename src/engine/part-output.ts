// The bytes of one part on their way out: compressed or not, hashed as they leave.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createGzip, type Gzip } from 'node:zlib'
import type { FileFormat } from '../domain/model.ts'

const GZIP_LEVEL = 2
const CHUNK_BYTES = 256 * 1024

export interface PartOutput {
  /** Resolves when the bytes may be used again. */
  write(bytes: Uint8Array): Promise<void>
  /** Resolves when everything has left: how much it was, and its hash. */
  end(): Promise<{ bytes: number; sha256: string }>
}

/** `send` is given what leaves, in order, and resolves when its bytes may be used again. */
export function partOutput(
  format: Pick<FileFormat, 'compression'>,
  send: (bytes: Uint8Array) => Promise<void>,
): PartOutput {
  const hash = createHash('sha256')
  let total = 0
  const leave = async (bytes: Uint8Array) => {
    await send(bytes)
    hash.update(bytes)
    total += bytes.length
  }
  const gzip =
    format.compression === 'GZIP' ? createGzip({ level: GZIP_LEVEL, chunkSize: CHUNK_BYTES }) : null
  let taken: Promise<unknown> = Promise.resolve()
  const leaving = gzip ? forward(gzip, leave) : Promise.resolve()
  return {
    async write(bytes) {
      if (bytes.length === 0) return
      if (!gzip) return leave(bytes)
      // The compressor works beside this thread: it is given a page, and has until the next one is read.
      await taken
      if (!gzip.write(bytes.slice())) taken = once(gzip, 'drain')
    },
    async end() {
      gzip?.end()
      await leaving
      return { bytes: total, sha256: hash.digest('hex') }
    },
  }
}

async function forward(gzip: Gzip, leave: (bytes: Uint8Array) => Promise<void>): Promise<void> {
  for await (const chunk of gzip) await leave(chunk)
}
