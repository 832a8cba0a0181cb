// Export threads, kept between runs: a thread that starts for a run loads its code anew, and leaves its memory behind.
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import type { ExportOrder, FromThread, ToThread } from './export-thread.ts'

/** `.ts` in a checkout, `.js` in the published package. */
/** What a thread makes is used once, in buffers of its own: a young generation that grows would only take memory. */
const YOUNG_MB = 3
const THREAD = new URL(`./export-thread${path.extname(import.meta.filename)}`, import.meta.url)

export type ExportThreads = ReturnType<typeof exportThreads>

export function exportThreads() {
  const idle: Worker[] = []
  const post = (thread: Worker, message: ToThread, buffers: ArrayBuffer[] = []) =>
    thread.postMessage(message, buffers)

  return {
    /**
     * What a thread says while it carries the order out; asking for the next message tells it that the last one was
     * dealt with. A thread that was left before its end is ended. @throws what went wrong in it, or the signal's reason
     */
    async *run(order: ExportOrder, signal: AbortSignal): AsyncGenerator<FromThread, void, void> {
      signal.throwIfAborted()
      const thread =
        idle.pop() ?? new Worker(THREAD, { resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB } })
      const inbox = inboxOf(thread, signal)
      let isDone = false
      try {
        post(thread, { order })
        for (;;) {
          const message = await inbox.next()
          if (message.type === 'end') {
            isDone = true
            return
          }
          yield message
          if (message.type === 'page' || message.type === 'profiles') post(thread, { taken: null })
          if (message.type === 'data') post(thread, { taken: message.bytes.buffer }, [message.bytes.buffer])
        }
      } finally {
        inbox.close()
        if (isDone) idle.push(thread)
        else await thread.terminate()
      }
    },
    /** Ends the threads that wait for work. */
    async stop(): Promise<void> {
      await Promise.all(idle.splice(0).map((thread) => thread.terminate()))
    },
  }
}

/** The messages of a thread in their order, then how it failed, if it did. */
function inboxOf(thread: Worker, signal: AbortSignal) {
  const queue: FromThread[] = []
  let wake = () => {}
  let failure: unknown
  const receive = (message: FromThread) => {
    queue.push(message)
    wake()
  }
  const fail = (error: unknown) => {
    failure ??= error
    wake()
  }
  const exited = (code: number) => fail(new Error(`the export thread ended early with code ${code}`))
  const abort = () => wake()
  thread.on('message', receive).on('error', fail).on('exit', exited)
  signal.addEventListener('abort', abort, { once: true })
  return {
    async next(): Promise<FromThread> {
      for (;;) {
        signal.throwIfAborted()
        const message = queue.shift()
        if (message) return message
        if (failure) throw failure
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
    close(): void {
      thread.off('message', receive).off('error', fail).off('exit', exited)
      signal.removeEventListener('abort', abort)
    },
  }
}
