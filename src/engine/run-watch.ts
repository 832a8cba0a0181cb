// The runs of a sandbox as a dashboard shows them. One look at the database serves all who watch, and a reader keeps no
// backlog: of each run it is sent the newest state that it has not seen.
import { setTimeout as after } from 'node:timers/promises'
import { outageIn } from '../domain/errors.ts'
import type { Clock } from '../domain/ports.ts'
import { chunks } from '../storage/chunks.ts'
import type { Database } from '../storage/database.ts'
import { type RunFacts, runStore } from '../storage/run.ts'
import { TERMINAL_STATUSES } from '../storage/run-event.ts'
import { matchesRun, type RunFilter } from '../storage/run-filter.ts'

/** Wake-ups are hints; this is the guarantee, and how soon the runs of another process are seen. */
const POLL_MS = 500
/** Changes that come within this time are looked at together. */
const PAUSE_MS = 100
/** A run that ended in this time is still among those that a new reader is told of. */
const RECENT_MS = 60_000
const READ_AT_ONCE = 500

export type RunWatch = ReturnType<typeof runWatch>
type Run = RunFacts

export function runWatch({ database, clock }: { database: Database; clock: Clock }) {
  const rooms = new Map<string, Room>()

  const open = (sandboxId: string): Room => {
    const readers = new Set<Reader>()
    const runs = new Map<string, Run>()
    const closed = new AbortController()
    const room = {
      readers,
      runs,
      close() {
        closed.abort()
        if (rooms.get(sandboxId) === room) rooms.delete(sandboxId)
      },
    }
    rooms.set(sandboxId, room)
    keepLooking({ database, clock, sandboxId, room, signal: closed.signal }).catch((error: unknown) => {
      room.close()
      for (const reader of readers) reader.fail(error)
    })
    return room
  }
  const enter = (sandboxId: string, reader: Reader): (() => void) => {
    const { readers, runs, close } = rooms.get(sandboxId) ?? open(sandboxId)
    readers.add(reader)
    for (const run of runs.values()) reader.offer(run)
    return () => {
      readers.delete(reader)
      if (readers.size === 0) close()
    }
  }

  return {
    /**
     * The runs that match and are active, or ended within the last minute; then every run that matches, each time it
     * changes. A run that stops matching is told once more, as it is then. Ends when the signal aborts.
     */
    async *changes(
      sandboxId: string,
      filter: RunFilter,
      signal: AbortSignal,
    ): AsyncGenerator<Run, void, void> {
      const reader = openReader(filter)
      const leave = enter(sandboxId, reader)
      signal.addEventListener('abort', reader.wake, { once: true })
      try {
        while (!signal.aborted) {
          const run = reader.take()
          if (run) yield run
          else await reader.news()
        }
      } finally {
        signal.removeEventListener('abort', reader.wake)
        leave()
      }
    },
  }
}

type Reader = ReturnType<typeof openReader>

/** What one subscriber has not been sent yet: at most one state of each run. */
function openReader(filter: RunFilter) {
  const pending = new Map<string, Run>()
  /** Active runs that it was sent as matching. */
  const shown = new Set<string>()
  let failure: { error: unknown } | null = null
  let wake = () => {}

  return {
    offer(run: Run): void {
      if (!matchesRun(run, filter) && !shown.has(run.id)) return void pending.delete(run.id)
      pending.set(run.id, run)
      wake()
    },
    /** The run that waits longest. @throws what the watch failed with */
    take(): Run | null {
      if (failure) throw failure.error
      const [run] = pending.values()
      if (!run) return null
      pending.delete(run.id)
      if (matchesRun(run, filter) && !TERMINAL_STATUSES.includes(run.status)) shown.add(run.id)
      else shown.delete(run.id)
      return run
    },
    fail(error: unknown): void {
      failure = { error }
      wake()
    },
    wake: () => wake(),
    news: (): Promise<void> =>
      new Promise((resolve) => {
        wake = resolve
      }),
  }
}

/** A sandbox that somebody watches. */
interface Room {
  readers: Set<Reader>
  /** All that are active or ended lately, as they were last seen. */
  runs: Map<string, Run>
  close(): void
}

/** Looks at the sandbox's runs until the signal aborts, and tells the readers what is new. */
async function keepLooking(options: {
  database: Database
  clock: Clock
  sandboxId: string
  room: Pick<Room, 'readers' | 'runs'>
  signal: AbortSignal
}): Promise<void> {
  const { database, clock, sandboxId, room, signal } = options
  const { readers, runs } = room
  const store = runStore(database)
  let lookedAt = clock()

  const look = async (): Promise<void> => {
    const at = clock()
    const standing = await store.standing(sandboxId, new Date(lookedAt.getTime() - RECENT_MS))
    lookedAt = at
    const seqs = new Map(standing.map(({ id, eventSeq }) => [id, eventSeq]))
    for (const id of runs.keys()) if (!seqs.has(id)) runs.delete(id)
    const changed = [...seqs].flatMap(([id, seq]) => (runs.get(id)?.eventSeq === seq ? [] : id))
    for (const ids of chunks(changed, READ_AT_ONCE)) {
      for (const run of await store.byIds(sandboxId, ids)) {
        runs.set(run.id, run)
        for (const reader of readers) reader.offer(run)
      }
    }
  }
  while (!signal.aborted) {
    // Waiting begins before the look: a wake-up in between is not missed.
    const woken = database.wake.wait('run-logs', POLL_MS, signal)
    await look().catch((error: unknown) => {
      if (!outageIn(error)) throw error // the next look sees what this one would have
    })
    await woken
    await after(PAUSE_MS, undefined, { signal }).catch(() => {})
  }
}
