// A part on its way: its bytes are collected to blocks, and several blocks travel at a time.
import { createHash } from 'node:crypto'
import type { BlockBlobClient } from '@azure/storage-blob'
import type { PartWriter } from '../driver.ts'
import { blockBytes, blocksAtOnce } from './blocks.ts'
import type { Call } from './call.ts'

export interface StagedPartOptions {
  blob: BlockBlobClient
  idOf(index: number): string
  call: Call
  /** Ends what is on its way. */
  stop: AbortController
  /** Removes what was staged. */
  sweep(): Promise<void>
}

export function stagedPart({ blob, idOf, call, stop, sweep }: StagedPartOptions): PartWriter {
  const travelling = new Set<Promise<void>>()
  const spare: Buffer[] = []
  let failure: { error: unknown } | null = null
  let count = 0
  let block = emptyBlock()

  function emptyBlock() {
    const size = blockBytes(count)
    const known = spare.pop()
    const buffer = known?.length === size ? known : Buffer.allocUnsafeSlow(size)
    return { buffer, bytes: 0, md5: createHash('md5') }
  }
  async function send(): Promise<void> {
    while (travelling.size >= blocksAtOnce(block.buffer.length)) await Promise.race(travelling)
    const { buffer, bytes, md5 } = block
    const [id, body, transactionalContentMD5] = [idOf(count), buffer.subarray(0, bytes), md5.digest()]
    const stage = (abortSignal: AbortSignal) =>
      blob.stageBlock(id, body, bytes, { abortSignal, transactionalContentMD5 })
    const trip = call(stage, bytes)
      .then(
        () => void spare.push(buffer),
        (error) => {
          failure ??= { error }
        },
      )
      .finally(() => travelling.delete(trip))
    travelling.add(trip)
    count += 1
    block = emptyBlock()
  }
  const check = () => {
    if (failure) throw failure.error
  }

  return {
    async write(chunk) {
      for (let done = 0; done < chunk.length; ) {
        check()
        const piece = chunk.subarray(done, done + block.buffer.length - block.bytes)
        block.buffer.set(piece, block.bytes)
        block.md5.update(piece)
        block.bytes += piece.length
        done += piece.length
        if (block.bytes === block.buffer.length) await send()
      }
    },
    async finish() {
      if (block.bytes > 0) await send()
      await Promise.all(travelling)
      check()
      return { blocks: count }
    },
    async abort() {
      stop.abort()
      await Promise.all(travelling)
      await sweep()
    },
  }
}
