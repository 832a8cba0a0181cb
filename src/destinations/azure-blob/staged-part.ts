// A part on its way: its bytes are collected to blocks, and several blocks travel at a time.
import { createHash } from 'node:crypto'
import type { BlockBlobClient } from '@azure/storage-blob'
import type { PartWriter } from '../driver.ts'
import { blockBytes, blocksAtOnce } from './blocks.ts'
import { caller } from './call.ts'

export interface StagedPartOptions {
  blob: BlockBlobClient
  idOf(index: number): string
  /** Of the delivery: when it aborts, no further block is sent. */
  signal: AbortSignal
  callMs: number
  /** Removes what was staged. */
  sweep(): Promise<void>
}

/**
 * How long blocks on their way may take to arrive once nobody wants them any more: a request that is cut may still be
 * carried out, after what was staged has been swept.
 */
const GRACE_MS = 3_000

export function stagedPart({ blob, idOf, signal, callMs, sweep }: StagedPartOptions): PartWriter {
  const stop = new AbortController()
  const call = caller(stop.signal, callMs)
  const stopSoon = () => void setTimeout(() => stop.abort(), Math.min(GRACE_MS, callMs)).unref()
  signal.addEventListener('abort', stopSoon, { once: true })
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
    signal.throwIfAborted()
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
      signal.removeEventListener('abort', stopSoon)
      return { blocks: count }
    },
    async abort() {
      signal.removeEventListener('abort', stopSoon)
      stopSoon()
      await Promise.all(travelling)
      await sweep()
    },
  }
}
