// Forgets what is older than the settings say: once after the start, then every hour. Two processes may do so at once:
// what one has deleted, the other does not find.
import { randomUUID } from 'node:crypto'
import type { Clock, Logger, Retention } from '../domain/ports.ts'
import { auditStore } from '../storage/audit.ts'
import { CUT } from '../storage/audit-line.ts'
import { type AuditTrail, DONE } from '../storage/audit-trail.ts'
import type { Database } from '../storage/database.ts'
import { PAGE, type Place, retentionStore, START } from '../storage/retention.ts'
import { sandboxStore } from '../storage/sandbox.ts'
import { type Deletion, type DeletionOptions, deletion } from './deletion.ts'
import { deleteUnneededMembers } from './membership-cleanup.ts'
import { systemTimer, type Timer } from './timer.ts'

const EVERY_MS = 60 * 60 * 1000
const DAY_MS = 24 * 60 * 60 * 1000

/** Rows that went, by what they were. */
export type Forgotten = Record<
  'runEvents' | 'rejections' | 'runs' | 'idempotencyKeys' | 'snapshots' | 'auditLines',
  number
>
export interface RetentionOptions {
  database: Database
  trail: AuditTrail
  retention: Retention
  clock: Clock
  log: Logger
  /** What waiting goes by; the time of the machine unless given. */
  timer?: Timer
}

/** The loop. */
export function retentionWorker(options: RetentionOptions) {
  const { log, timer = systemTimer } = options
  const stopping = new AbortController()
  let loop: Promise<void> = Promise.resolve()
  const forgetting = forgetter(options)

  const once = async () => {
    try {
      const { forgotten, longestMs } = await forgetting({ signal: stopping.signal })
      if (Object.values(forgotten).some((count) => count > 0)) {
        log.info({ ...forgotten, longestMs: Math.round(longestMs) }, 'what is old was deleted')
      }
    } catch (error) {
      if (!stopping.signal.aborted)
        log.error({ error }, 'what is old could not be deleted; trying again later')
    }
  }
  const work = async () => {
    while (!stopping.signal.aborted) {
      await once()
      await timer.sleep(EVERY_MS, stopping.signal).catch(() => {})
    }
  }
  return {
    start(): void {
      loop = work()
    },
    /** Ends between two slices. */
    async stop(): Promise<void> {
      stopping.abort()
      await loop
    },
  }
}

const nothing = (): Forgotten => ({
  runEvents: 0,
  rejections: 0,
  runs: 0,
  idempotencyKeys: 0,
  snapshots: 0,
  auditLines: 0,
})

/** Makes what goes through everything once; the next time it goes on where it has been, because nothing gets older again. */
export function forgetter({ database, trail, retention, clock }: RetentionOptions) {
  const store = retentionStore(database)
  const audit = auditStore(database)
  const beenAt = new Map<string, Place>()
  const moment = (days: number) => new Date(clock().getTime() - days * DAY_MS)

  /** Walks through pages of a sandbox's rows up to a moment, from where it was the last time. */
  const walk = async <T extends Place>(
    name: string,
    read: (after: Place) => Promise<T[]>,
    each: (page: T[]) => Promise<void>,
  ) => {
    for (;;) {
      const page = await read(beenAt.get(name) ?? START)
      const last = page.at(-1)
      if (!last) return
      await each(page)
      beenAt.set(name, { at: last.at, id: last.id })
      if (page.length < PAGE) return
    }
  }
  type Step = (deleting: Deletion, sandboxId: string, forgotten: Forgotten) => Promise<void>
  const forgetEvents: Step = async (deleting, sandboxId, forgotten) => {
    if (retention.runEventsDays === null) return
    const before = moment(retention.runEventsDays)
    await walk(
      `events ${sandboxId}`,
      (after) => store.endedRuns(sandboxId, after, before),
      async (page) => {
        const ids = page.filter(({ hasEvents }) => hasEvents).map(({ id }) => id)
        if (ids.length === 0) return
        forgotten.runEvents += await deleting.inSlices((limit) => store.deleteEvents(ids, limit))
      },
    )
  }
  const forgetRejections: Step = async (deleting, sandboxId, forgotten) => {
    if (retention.rejectionsDays === null) return
    const before = moment(retention.rejectionsDays)
    await walk(
      `rejections ${sandboxId}`,
      (after) => store.endedRuns(sandboxId, after, before),
      async (page) => {
        const repeated = await store.repeated()
        const ids = page.filter((run) => run.hasRejections && !repeated.has(run.id)).map(({ id }) => id)
        if (ids.length === 0) return
        forgotten.rejections += await deleting.inSlices((limit) => store.deleteRejections(ids, limit))
      },
    )
  }
  const forgetRuns: Step = async (deleting, sandboxId, forgotten) => {
    if (retention.runsDays === null) return
    const before = moment(retention.runsDays)
    // Always from the beginning: what was the latest of its mapping is not any more, some day.
    let place = START
    for (;;) {
      const page = await store.endedRuns(sandboxId, place, before)
      const last = page.at(-1)
      if (!last) return
      const repeated = await store.repeated()
      const gone = page.filter((run) => run.isOutdated && !repeated.has(run.id))
      const ids = gone.map(({ id }) => id)
      if (ids.length > 0) {
        await deleting.inSlices((limit) => store.deleteRejections(ids, limit))
        await deleting.inSlices((limit) => store.deleteEvents(ids, limit, 'all'))
        for (let from = 0; from < gone.length; from += 20) {
          await deleting.atOnce(store.deleteRuns(gone.slice(from, from + 20)))
        }
        forgotten.runs += ids.length
      }
      place = { at: last.at, id: last.id }
    }
  }
  const forgetKeys: Step = async (deleting, sandboxId, forgotten) => {
    const before = moment(retention.idempotencyKeysDays)
    await walk(
      `keys ${sandboxId}`,
      (after) => store.oldActivations(sandboxId, after, before),
      async (page) => {
        const ids = page.filter(({ hasKey }) => hasKey).map(({ id }) => id)
        if (ids.length > 0) forgotten.idempotencyKeys += await deleting.atOnce([store.releaseKeys(ids)])
      },
    )
  }
  const forgetSnapshots = async (deleting: Deletion, forgotten: Forgotten) => {
    if (retention.snapshotsDays === null) return
    const before = moment(retention.snapshotsDays)
    const sent = await store.sentSnapshots()
    for (let after = ''; ; ) {
      const page = await store.snapshotsAfter(after)
      const last = page.at(-1)
      const old = page.filter(({ evaluatedAt }) => evaluatedAt < before)
      const ids = old.filter(({ id, isNeeded }) => !isNeeded && !sent.has(id)).map(({ id }) => id)
      if (ids.length > 0) forgotten.snapshots += await deleting.atOnce([store.deleteSnapshots(ids)])
      if (!last || old.length === 0) return
      after = last.id
    }
  }
  const cutAudit = async (deleting: Deletion, forgotten: Forgotten) => {
    if (retention.auditDays === null) return
    // Whole days: a cut leaves a line, too.
    const day = Math.floor(moment(retention.auditDays).getTime() / DAY_MS) * DAY_MS
    const place = await audit.lastBefore(new Date(day))
    if (!place) return
    const { seq, hash } = place
    const session = { tokenId: 'local', name: 'clean-up', sandbox: null }
    const after = JSON.stringify({ upToSeq: seq, upToHash: hash })
    // Said before it is done, so that the log can be checked at any moment.
    await trail.append({
      ...DONE,
      actor: { session, operation: CUT, requestId: randomUUID() },
      change: { id: String(seq), type: 'auditLog', before: null, after },
    })
    forgotten.auditLines += await deleting.inSlices((limit) => audit.deleteUpTo(seq, limit))
  }

  /** @throws the signal's reason between two slices */
  return async (options: Omit<DeletionOptions, 'database'>) => {
    const deleting = deletion({ database, ...options })
    const forgotten = nothing()
    for (const { id } of await sandboxStore(database).all()) {
      for (const step of [forgetKeys, forgetRejections, forgetEvents, forgetRuns]) {
        await step(deleting, id, forgotten)
      }
    }
    await deleteUnneededMembers(database, options.signal, deleting)
    await forgetSnapshots(deleting, forgotten)
    await cutAudit(deleting, forgotten)
    return { forgotten, longestMs: deleting.longestMs() }
  }
}
