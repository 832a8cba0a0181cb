// Logs that grow, followed live. Replay and live are one loop, so there is no gap and no repeat between them, and
// nothing is buffered for a slow reader: it reads on from where it stands. However many readers a log has, it is
// waited for once, and readers at the same place share one read.
import { setTimeout as sleep } from 'node:timers/promises'
import { invalid, outageIn, Refusal } from '../domain/errors.ts'
import type { RunEventType } from '../domain/model.ts'
import type { Wake } from '../domain/ports.ts'
import type { Database } from '../storage/database.ts'
import { mappingChangeStore } from '../storage/mapping-change.ts'
import { runStore } from '../storage/run.ts'
import type { Row } from '../storage/tables.ts'

const PAGE = 100
/** Wake-ups are hints; this is the guarantee, and how soon the rows of another process are seen. */
const POLL_MS = 500
/** Readers stay through an outage of the database that is not longer. */
const MAX_OUTAGE_MS = 60_000
const TERMINAL: readonly RunEventType[] = ['SUCCEEDED', 'FAILED', 'CANCELLED']

/** Rows under keys, in order, that are never changed. Once a row can be read, no row comes before it any more. */
export interface Log<T> {
  /** What to be woken by when a key has more rows. */
  topic(key: string): string
  /** The first rows after a place, at most `limit`. Places are above 0. */
  read(key: string, after: number, limit: number): Promise<T[]>
  placeOf(row: T): number
  /** Whether nothing comes after this row. */
  isLast(row: T): boolean
}

export interface Feed<T> extends Pick<Log<T>, 'placeOf' | 'isLast'> {
  /** The next rows after a place (0: from the beginning); none for whoever has read everything that is there. */
  page(key: string, after: number): Promise<T[]>
  /**
   * The rows after a place, then live, in order; ends after the last row, or when the signal aborts. The next row is
   * fetched when the one before was taken.
   */
  events(key: string, after: number, signal: AbortSignal): AsyncGenerator<T, void, void>
}

/** The story of runs, by run id; places are sequence numbers. */
export type RunFeed = Feed<Row<'runEvents'>>

export function runFeed({ database }: { database: Database }): RunFeed {
  const store = runStore(database)
  return logFeed(database.wake, {
    topic: (runId) => `run:${runId}`,
    read: async (runId, after, limit) => {
      const rows = await store.eventsAfter(runId, after, limit)
      refuseGap(rows, after)
      return rows
    },
    placeOf: ({ seq }) => seq,
    isLast: ({ type }) => TERMINAL.includes(type),
  })
}

/**
 * A run's events are numbered without a gap, so what the clean-up took away shows.
 * @throws Refusal
 */
function refuseGap(rows: readonly { seq: number }[], after: number): void {
  const gap = rows.findIndex(({ seq }, index) => seq !== after + 1 + index)
  if (gap < 0) return
  const message =
    'Events after this place have expired, and the story cannot be told without a gap. Ask for the run itself, then subscribe after its lastEventCursor.'
  throw new Refusal(invalid(['after'], message))
}

/** What happened to the mappings of destinations, by destination id; it has no end. */
export type MappingFeed = Feed<Row<'mappingChanges'>>

export function mappingFeed({ database }: { database: Database }): MappingFeed {
  return logFeed(database.wake, {
    topic: (destinationId) => `mappings:${destinationId}`,
    read: mappingChangeStore(database).after,
    placeOf: ({ seq }) => seq,
    isLast: () => false,
  })
}

export function logFeed<T>(wake: Wake, log: Log<T>): Feed<T> {
  const { placeOf, isLast } = log
  const reads = sharedReads(log)
  const join = waitingRoom(wake, reads.onNews)

  return {
    placeOf,
    isLast,
    page: reads.page,
    async *events(key, after, signal) {
      let place = after
      let hasNews = false
      let goOn = () => {}
      const onNews = () => {
        hasNews = true
        goOn()
      }
      // Waiting begins before the first read: a wake-up in between is not missed.
      const leave = join(log.topic(key), onNews)
      signal.addEventListener('abort', onNews, { once: true })
      try {
        while (!signal.aborted) {
          hasNews = false
          const rows = await reads.page(key, place)
          for (const row of rows) {
            if (signal.aborted) return
            place = placeOf(row)
            yield row
            if (isLast(row)) return
          }
          if (rows.length === 0 && !hasNews) {
            await new Promise<void>((resolve) => {
              goOn = resolve
            })
          }
        }
      } finally {
        leave()
        signal.removeEventListener('abort', onNews)
      }
    },
  }
}

/**
 * Readers that stand at the same place at the same moment share one read. Nobody shares a read that began before
 * the last news: it may be too old to have them.
 */
function sharedReads<T>(log: Log<T>) {
  const reading = new Map<string, Promise<T[]>>()
  let newsSoFar = 0
  return {
    onNews() {
      newsSoFar += 1
    },
    page(key: string, after: number): Promise<T[]> {
      const place = `${newsSoFar}:${after}:${key}`
      const known = reading.get(place)
      if (known) return known
      const rows = throughOutages(() => log.read(key, after, PAGE)).finally(() => reading.delete(place))
      reading.set(place, rows)
      return rows
    },
  }
}

async function throughOutages<T>(read: () => Promise<T>): Promise<T> {
  const began = performance.now()
  for (;;) {
    try {
      return await read()
    } catch (error) {
      if (!outageIn(error) || performance.now() - began > MAX_OUTAGE_MS) throw error
      await sleep(POLL_MS)
    }
  }
}

/**
 * Waits once per topic for all who are interested in it; `onAnyNews` is told before they are.
 * @returns what joins a topic: its callback is called whenever there may be news, until what it returns is called
 */
function waitingRoom(wake: Wake, onAnyNews: () => void) {
  const rooms = new Map<string, { waiting: Set<() => void>; empty: AbortController }>()

  const open = (topic: string) => {
    const room = { waiting: new Set<() => void>(), empty: new AbortController() }
    const { signal } = room.empty
    const tell = async () => {
      let woken = wake.wait(topic, POLL_MS, signal)
      while (!signal.aborted) {
        await woken
        // Again before they are told: what happens while they read wakes them once more.
        woken = wake.wait(topic, POLL_MS, signal)
        onAnyNews()
        for (const onNews of [...room.waiting]) onNews()
      }
    }
    void tell()
    rooms.set(topic, room)
    return room
  }

  return (topic: string, onNews: () => void): (() => void) => {
    const room = rooms.get(topic) ?? open(topic)
    room.waiting.add(onNews)
    return () => {
      room.waiting.delete(onNews)
      if (room.waiting.size > 0) return
      rooms.delete(topic)
      room.empty.abort()
    }
  }
}
