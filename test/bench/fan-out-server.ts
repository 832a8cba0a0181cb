// The gateway, with something to do: a process that serves the API, and holds one run as a worker would, so that the
// run's events come at an exact rate. They take the worker's own way: the same statements, the same wake-up.
import { compose } from '../../src/compose.ts'
import { readConfig } from '../../src/config.ts'
import { createLogger } from '../../src/logger.ts'
import { newId } from '../../src/storage/ids.ts'
import { runStore } from '../../src/storage/run.ts'
import { type Claim, runLease } from '../../src/storage/run-lease.ts'
import { adminSession } from '../support/database.ts'
import { answerOrders } from './processes.ts'

const config = readConfig()
const gateway = await compose(config, { log: createLogger(config) })
const { database, services } = gateway
const { url } = await gateway.start({ api: true, engine: false })
const sandbox = await services.sandbox.ensure('prod')
const lease = runLease(database, 'proc_bench')
let claim: Claim | null = null

answerOrders({
  /** A run that has been started, and tokens to watch it with. */
  async prepare({ tokens }: { tokens: number }) {
    const { runs } = database.tables
    const [like] = await database.db.select().from(runs).limit(1)
    if (!like) throw new Error('there is no run to make another one like')
    const { status: _, phase: __, eventSeq: ___, ...row } = like
    const counters = { received: 0, exported: 0, bytes: 0, files: 0, attempt: 0 }
    const times = { createdAt: new Date(), startedAt: null, completedAt: null }
    const run = { ...row, ...counters, ...times, id: newId('run'), total: 1_000_000 }
    await database.batch(runStore(database).insertQueued(run))
    const claimed = await lease.claim(new Date())
    if (!claimed) throw new Error('the run could not be claimed')
    claim = { runId: claimed.id, fence: claimed.fence }
    const secrets: string[] = []
    for (let n = 0; n < tokens; n += 1) {
      const input = { name: `watcher ${n}`, roles: ['VIEWER' as const] }
      secrets.push((await services.token.create(adminSession(sandbox), input)).secret)
    }
    return { url, runId: claimed.id, secrets }
  },

  /** Bytes of memory, resident and on the heap, once garbage is gone. */
  async memory() {
    for (let n = 0; n < 5; n += 1) {
      global.gc?.()
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
    const { rss, heapUsed } = process.memoryUsage()
    return { rss, heapUsed }
  },

  /** Moves the run on, `events` times at `perSecond`, and ends it. `exported` counts the events. */
  async play({ events, perSecond }: { events: number; perSecond: number }) {
    if (!claim) throw new Error('prepare first')
    const began = performance.now()
    for (let n = 1; n <= events; n += 1) {
      const wait = began + (n * 1000) / perSecond - performance.now()
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
      const counters = { received: n, exported: n, excluded: 0, failed: 0, bytes: n * 60, files: 0 }
      await lease.progress(claim, { counters, phase: 'DELIVERING', at: new Date() })
    }
    const seconds = (performance.now() - began) / 1000
    await lease.end(claim, { status: 'SUCCESS' }, new Date())
    return { seconds }
  },

  stop: () => gateway.stop(),
})
