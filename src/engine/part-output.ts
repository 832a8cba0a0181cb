// The bytes of one part on their way out: compressed, then encrypted, where that is asked for, and hashed as they leave.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createGzip, createZstdCompress, type Gzip, type ZstdCompress } from 'node:zlib'
import { isPackedInside } from '../domain/file-format.ts'
import type { FileFormat } from '../domain/model.ts'
import { encryptor } from './encryption.ts'

const GZIP_LEVEL = 2
/** What leaves at a time, at most: a row group of Parquet is many times that. */
const CHUNK_BYTES = 256 * 1024

export interface PartOutput {
  /** Resolves when the bytes may be used again. */
  write(bytes: Uint8Array): Promise<void>
  /** Resolves when everything has left: how much it was, and its hash. */
  end(): Promise<{ bytes: number; sha256: string }>
}
/** What stands between a part's rows and its way out. */
interface Stage {
  write(bytes: Uint8Array): Promise<void>
  end(): Promise<void>
}

/** `send` is given what leaves, in order, and resolves when its bytes may be used again. */
export function partOutput(
  format: Pick<FileFormat, 'type' | 'compression' | 'publicKey'>,
  send: (bytes: Uint8Array) => Promise<void>,
): PartOutput {
  const hash = createHash('sha256')
  let total = 0
  const leave = async (bytes: Uint8Array) => {
    for (let from = 0; from < bytes.length; from += CHUNK_BYTES) {
      await send(bytes.subarray(from, from + CHUNK_BYTES))
    }
    hash.update(bytes)
    total += bytes.length
  }
  const last: Stage =
    format.publicKey === undefined
      ? { write: leave, end: async () => {} }
      : encryptor(format.publicKey, leave)
  const first = isPackedInside(format.type) ? last : packed(format.compression, last)
  return {
    async write(bytes) {
      if (bytes.length > 0) await first.write(bytes)
    },
    async end() {
      await first.end()
      return { bytes: total, sha256: hash.digest('hex') }
    },
  }
}

function packed(compression: FileFormat['compression'], next: Stage): Stage {
  if (compression === 'NONE') return next
  const packer =
    compression === 'GZIP'
      ? createGzip({ level: GZIP_LEVEL, chunkSize: CHUNK_BYTES })
      : createZstdCompress({ chunkSize: CHUNK_BYTES })
  const leaving = forward(packer, next)
  leaving.catch(() => {}) // whoever writes or ends is told
  let taken: Promise<unknown> = Promise.resolve()
  return {
    async write(bytes) {
      // The compressor works beside this thread: it is given a page, and has until the next one is read.
      await Promise.race([taken, leaving])
      if (!packer.write(new Uint8Array(bytes))) taken = once(packer, 'drain')
    },
    async end() {
      packer.end()
      await leaving
    },
  }
}

async function forward(packer: Gzip | ZstdCompress, next: Stage): Promise<void> {
  for await (const chunk of packer) await next.write(chunk)
  await next.end()
}
