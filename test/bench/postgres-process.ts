// A process of the bench of PostgreSQL: the API alone, or a worker that takes runs as fast as the queue gives them.
import { randomUUID } from 'node:crypto'
import { and, count, eq, inArray } from 'drizzle-orm'
import { compose, type Gateway } from '../../src/compose.ts'
import { readConfig } from '../../src/config.ts'
import { createLogger } from '../../src/logger.ts'
import type { Database } from '../../src/storage/database.ts'
import { newId } from '../../src/storage/ids.ts'
import { openDatabase } from '../../src/storage/open.ts'
import { runStore } from '../../src/storage/run.ts'
import { runLease } from '../../src/storage/run-lease.ts'
import { answerOrders } from './processes.ts'

/** As the worker does when the queue gives it nothing. */
const POLL_MS = 500
const config = readConfig()
const processId = `proc_${randomUUID()}`
let gateway: Gateway | undefined
let database: Database | undefined

export interface Claimed {
  runIds: string[]
  /** In milliseconds of the machine's clock. */
  began: number
  ended: number
}

answerOrders({
  async serve() {
    gateway = await compose(config, { log: createLogger(config) })
    return (await gateway.start({ api: true, engine: false })).url
  },

  /** Queues runs like one that there is, each of a segment of its own. */
  async queue({ runs: wanted }: { runs: number }) {
    const own = opened()
    const [like] = await own.db.select().from(own.tables.runs).limit(1)
    if (!like) throw new Error('there is no run to make others like')
    const { status: _, phase: __, eventSeq: ___, ...row } = like
    const fresh = { startedAt: null, completedAt: null, attempt: 0, fence: 0, createdAt: new Date() }
    for (let n = 0; n < wanted; n += 1) {
      const run = { ...row, ...fresh, id: newId('run'), segmentId: newId('segment') }
      await own.batch(runStore(own).insertQueued(run))
    }
  },

  async connect() {
    await opened().life.register(processId)
  },

  /** Takes runs one after the other and ends each, until none is left. */
  async claim(): Promise<Claimed> {
    const own = opened()
    const { runs } = own.tables
    const lease = runLease(own, processId)
    const runIds: string[] = []
    const began = performance.timeOrigin + performance.now()
    for (;;) {
      const run = await lease.claim(new Date())
      if (run) {
        runIds.push(run.id)
        await lease.end({ runId: run.id, fence: run.fence }, { status: 'SUCCESS' }, new Date())
        continue
      }
      const [queued] = await own.db
        .select({ id: runs.id })
        .from(runs)
        .where(eq(runs.status, 'QUEUED'))
        .limit(1)
      if (!queued) return { runIds, began, ended: performance.timeOrigin + performance.now() }
      await own.wake.wait('runs', POLL_MS, new AbortController().signal)
    }
  },

  /** How many of the runs ended well at the first attempt, and how often any of them was started. */
  async check({ runIds }: { runIds: string[] }) {
    const { db, tables } = opened()
    const { runs, runEvents } = tables
    const [ended] = await db
      .select({ runs: count() })
      .from(runs)
      .where(and(inArray(runs.id, runIds), eq(runs.status, 'SUCCESS'), eq(runs.attempt, 1)))
    const [started] = await db
      .select({ events: count() })
      .from(runEvents)
      .where(and(inArray(runEvents.runId, runIds), eq(runEvents.type, 'STARTED')))
    return { ended: Number(ended?.runs), started: Number(started?.events) }
  },

  async stop() {
    await gateway?.stop()
    if (!database) return
    await database.life.release(processId)
    await database.close()
  },
})

function opened(): Database {
  database ??= openDatabase(config.databaseUrl)
  return database
}
