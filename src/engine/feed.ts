// Live runs: follows a run's log. Replay and live are one loop, so there is no gap and no repeat between them, and
// nothing is buffered for a slow reader: it reads on from where it stands.
import type { RunEventType } from '../domain/model.ts'
import type { Database } from '../storage/database.ts'
import { runStore } from '../storage/run.ts'
import type { Row } from '../storage/tables.ts'

const BATCH = 100
/** Wake-ups are hints; this is the guarantee, and how soon the events of another process are seen. */
const POLL_MS = 500
const TERMINAL: readonly RunEventType[] = ['SUCCEEDED', 'FAILED', 'CANCELLED']

export type RunFeed = ReturnType<typeof runFeed>

export function runFeed({ database }: { database: Database }) {
  const store = runStore(database)
  const reading = new Map<string, Promise<Row<'runEvents'>[]>>()

  /** Readers that stand at the same place at the same moment share one read. */
  const read = (runId: string, seq: number): Promise<Row<'runEvents'>[]> => {
    const place = `${runId}:${seq}`
    const known = reading.get(place)
    if (known) return known
    const rows = store.eventsAfter(runId, seq, BATCH)
    reading.set(place, rows)
    setImmediate(() => reading.delete(place))
    return rows
  }

  return {
    /**
     * The run's events after a sequence number (0: from the beginning), then live, in order; ends after the terminal
     * event, or when the signal aborts. The next event is fetched when the last one was taken.
     */
    async *events(
      runId: string,
      afterSeq: number,
      signal: AbortSignal,
    ): AsyncGenerator<Row<'runEvents'>, void, void> {
      let seq = afterSeq
      while (!signal.aborted) {
        // Waiting begins before the read: a wake-up in between is not missed.
        const enough = new AbortController()
        const woken = database.wake.wait(`run:${runId}`, POLL_MS, AbortSignal.any([signal, enough.signal]))
        try {
          const rows = await read(runId, seq)
          if (rows.length === 0) {
            await woken
            continue
          }
          for (const row of rows) {
            if (signal.aborted) return
            seq = row.seq
            yield row
            if (TERMINAL.includes(row.type)) return
          }
        } finally {
          enough.abort()
        }
      }
    },
  }
}
