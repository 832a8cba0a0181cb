// Which attributes profiles have is counted in a thread: the text of every profile is parsed.
import { once } from 'node:events'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import type { AttributeStatistic } from './capabilities.ts'
import { translated } from './postgres-errors.ts'

export interface CountingOrder {
  url: string
  sandboxId: string
}
/** An error of the database loses what it is on its way between threads, but for this. */
export type Counted =
  | { statistics: AttributeStatistic[] }
  | { failed: { message: string; code: string | undefined } }

/** `.ts` in a checkout, `.js` in the published package. */
const THREAD = new URL(`./postgres-attributes-thread${path.extname(import.meta.filename)}`, import.meta.url)

export function postgresAttributes(url: string) {
  const closing = new AbortController()
  let last: Promise<unknown> = Promise.resolve()

  const count = async (sandboxId: string, signal: AbortSignal): Promise<AttributeStatistic[]> => {
    signal.throwIfAborted()
    const worker = new Worker(THREAD, { workerData: { url, sandboxId } satisfies CountingOrder })
    try {
      const [counted]: Counted[] = await once(worker, 'message', { signal })
      if (counted && 'statistics' in counted) return counted.statistics
      throw translated(Object.assign(new Error(counted?.failed.message), counted?.failed))
    } catch (error) {
      throw signal.aborted ? signal.reason : error
    } finally {
      await worker.terminate()
    }
  }
  return {
    /** One sandbox after the other. @throws the signal's reason */
    statistics(sandboxId: string, signal?: AbortSignal): Promise<AttributeStatistic[]> {
      const stop = signal ? AbortSignal.any([signal, closing.signal]) : closing.signal
      const counting = last.then(() => count(sandboxId, stop))
      last = counting.catch(() => {})
      return counting
    },
    async close(): Promise<void> {
      closing.abort(new Error('The database is being closed.'))
      await last
    },
  }
}
