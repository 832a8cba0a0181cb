// A thread with its own read connection, for reads that would hold the event loop.
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import type { RawRow } from './capabilities.ts'

type Answer = { id: number; rows: RawRow[] } | { id: number; error: Error }

/** Its answers are few: a young generation that grows would only take memory. */
const YOUNG_MB = 3
/** `.ts` in a checkout, `.js` in the published package. */
const THREAD = new URL(`./sqlite-aside-thread${path.extname(import.meta.filename)}`, import.meta.url)

export function sqliteAside(file: string) {
  const waiting = new Map<number, { resolve: (rows: RawRow[]) => void; reject: (error: Error) => void }>()
  let worker: Worker | undefined
  let lastId = 0

  const failAll = (error: Error) => {
    worker = undefined
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  }
  const start = (): Worker => {
    const started = new Worker(THREAD, {
      workerData: { file },
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    })
    started.unref()
    started.on('message', (answer: Answer) => {
      const waiter = waiting.get(answer.id)
      waiting.delete(answer.id)
      if ('error' in answer) waiter?.reject(answer.error)
      else waiter?.resolve(answer.rows)
      if (waiting.size === 0) worker?.unref()
    })
    started.on('error', failAll)
    started.on('exit', () => {
      if (worker === started) failAll(new Error('The read thread ended.'))
    })
    return started
  }

  return {
    read({ sql, params }: { sql: string; params: unknown[] }, signal?: AbortSignal): Promise<RawRow[]> {
      signal?.throwIfAborted()
      worker ??= start()
      worker.ref()
      lastId += 1
      const id = lastId
      return new Promise((resolve, reject) => {
        const abort = () => {
          waiting.delete(id)
          reject(signal?.reason)
        }
        signal?.addEventListener('abort', abort, { once: true })
        const settle =
          <T>(finish: (value: T) => void) =>
          (value: T) => {
            signal?.removeEventListener('abort', abort)
            finish(value)
          }
        waiting.set(id, { resolve: settle(resolve), reject: settle(reject) })
        worker?.postMessage({ id, sql, params })
      })
    },
    async close(): Promise<void> {
      const ending = worker
      failAll(new Error('The database is being closed.'))
      await ending?.terminate()
    },
  }
}
