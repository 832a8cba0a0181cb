// Export threads, kept between runs: a thread that starts for a run loads its code anew, and leaves its memory behind.
import path from 'node:path'
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import type { ExportOrder, FromThread, NewOrder, ToThread } from './export-thread.ts'

/** What a thread makes is used once, in buffers of its own: a young generation that grows would only take memory. */
const YOUNG_MB = 3
/** `.ts` in a checkout, `.js` in the published package. */
const THREAD = new URL(`./export-thread${path.extname(import.meta.filename)}`, import.meta.url)

export type ExportThreads = ReturnType<typeof exportThreads>

interface Thread {
  worker: Worker
  /** How many it carries out. */
  orders: number
  /** Why it ended early. */
  failure: unknown
}

/** At most so many threads, each of which carries out many orders at a time. */
export function exportThreads(max: number) {
  const threads = new Set<Thread>()

  const start = (): Thread => {
    const worker = new Worker(THREAD, { resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB } })
    const thread: Thread = { worker, orders: 0, failure: null }
    threads.add(thread)
    worker.on('error', (error) => {
      thread.failure = error
    })
    worker.on('exit', (code) => {
      thread.failure ??= new Error(`the export thread ended early with code ${code}`)
      threads.delete(thread)
    })
    return thread
  }
  /** The one with the fewest orders; a new one while all have some. */
  const freest = (): Thread => {
    const [least] = [...threads].sort((a, b) => a.orders - b.orders)
    return least && (least.orders === 0 || threads.size >= max) ? least : start()
  }

  return {
    /**
     * What a thread says while it carries the order out; asking for the next message tells it that the last one was
     * dealt with. An order that is left is forgotten there. @throws what went wrong in it, or the signal's reason
     */
    async *run(order: ExportOrder, signal: AbortSignal): AsyncGenerator<FromThread, void, void> {
      signal.throwIfAborted()
      const thread = freest()
      const { port1: port, port2 } = new MessageChannel()
      const inbox = inboxOf(port, thread, signal)
      thread.orders += 1
      try {
        thread.worker.postMessage({ order, port: port2 } satisfies NewOrder, [port2])
        for (;;) {
          const message = await inbox.next()
          if (message.type === 'end') return
          if (message.type === 'failed') throw message.error
          yield message
          if (message.type === 'page' || message.type === 'profiles') give(port, null)
          if (message.type === 'data') give(port, message.bytes.buffer)
        }
      } finally {
        thread.orders -= 1
        inbox.close()
      }
    },
    async stop(): Promise<void> {
      await Promise.all([...threads].map(({ worker }) => worker.terminate()))
    },
  }
}

function give(port: MessagePort, taken: ArrayBuffer | null): void {
  port.postMessage({ taken } satisfies ToThread, taken ? [taken] : [])
}

/** The messages about an order in their turn, then how its thread failed, if it did. */
function inboxOf(port: MessagePort, thread: Thread, signal: AbortSignal) {
  const queue: FromThread[] = []
  let isClosed = false
  let wake = () => {}
  const abort = () => wake()
  port.on('message', (message: FromThread) => {
    queue.push(message)
    wake()
  })
  // Also when the thread ends, however it does.
  port.on('close', () => {
    isClosed = true
    wake()
  })
  signal.addEventListener('abort', abort, { once: true })
  return {
    async next(): Promise<FromThread> {
      for (;;) {
        signal.throwIfAborted()
        const message = queue.shift()
        if (message) return message
        if (isClosed) throw thread.failure ?? new Error('the export thread left an order')
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
    close(): void {
      signal.removeEventListener('abort', abort)
      port.close()
    },
  }
}
