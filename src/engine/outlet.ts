// An order's way out of the export thread: a port of its own, and a bounded number of messages on their way, so that
// memory depends neither on the segment's size nor on how slow the destination is.
import type { MessagePort } from 'node:worker_threads'
import type { FromThread, ToThread } from './export-thread.ts'

/** Whether rows are delivered or refused. */
const MAX_UNTAKEN = 8
/** A page's CSV fits, as a rule. */
const BUFFER_BYTES = 256 * 1024

export type Outlet = ReturnType<typeof outlet>

export function outlet(port: MessagePort) {
  let untaken = 0
  const waiting: (() => void)[] = []
  const free: ArrayBuffer[] = []
  const left = new Promise<void>((resolve) => {
    port.on('close', resolve)
  })
  port.on('message', ({ taken }: ToThread) => {
    if (taken) free.push(taken)
    untaken -= 1
    waiting.shift()?.()
  })
  /** Resolves when there is room for a message: never, once nobody listens any more. */
  const credit = async () => {
    while (untaken >= MAX_UNTAKEN) {
      await new Promise<void>((resolve) => {
        waiting.push(resolve)
      })
    }
    untaken += 1
  }

  return {
    /** Resolves when the order was left. */
    left,
    /** For small messages, of which there are few. */
    post: (message: FromThread): void => port.postMessage(message),
    /** When there is room for it. */
    async hand(message: FromThread): Promise<void> {
      await credit()
      port.postMessage(message)
    },
    /** Hands a copy over, in a buffer that comes back. */
    async send(bytes: Uint8Array): Promise<void> {
      await credit()
      const spare = free.pop()
      const buffer =
        spare && spare.byteLength >= bytes.length
          ? spare
          : new ArrayBuffer(Math.max(bytes.length, BUFFER_BYTES))
      const copy = new Uint8Array(buffer, 0, bytes.length)
      copy.set(bytes)
      port.postMessage({ type: 'data', bytes: copy } satisfies FromThread, [buffer])
    },
    close: (): void => port.close(),
  }
}
