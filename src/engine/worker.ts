// Claims runs and sees each to its end. Waiting is cheap and waking is a hint: the poll is the guarantee.
import { DeliveryError, type FileDelivery } from '../destinations/driver.ts'
import type { DriverRegistry } from '../destinations/registry.ts'
import { outageIn } from '../domain/errors.ts'
import { fileExtension } from '../domain/file-format.ts'
import type { RunCounters } from '../domain/model.ts'
import type { Clock, Logger, Vault } from '../domain/ports.ts'
import { type Database, StaleWrite } from '../storage/database.ts'
import { HEARTBEAT_MS, LEASE_MS } from '../storage/lease.ts'
import { type Claim, runLease } from '../storage/run-lease.ts'
import type { Row } from '../storage/tables.ts'
import { type Budgets, budgets } from './budgets.ts'
import { withDelivery } from './delivery.ts'
import { type ExportThreads, exportThreads } from './export-threads.ts'
import { exportRun, fileCheckpoint } from './exporter.ts'
import { failureOf, nextAttempt } from './failure.ts'
import { type Lanes, lanes } from './lanes.ts'
import { exportProfiles, profileCheckpoint } from './profile-exporter.ts'
import { notBelow } from './progress.ts'
import { systemTimer, type Timer } from './timer.ts'

const POLL_MS = 500
const WATCH_MS = 500
/** Runs under way beyond those that keep the threads busy: destinations that hang may hold so many. */
const MAX_WAITING = 32
/** How long a driver may take to notice that its run was stopped. */
const MAX_STOPPING_MS = 10_000
const MAX_DISCARDING_MS = 15_000

export interface RunWorkerOptions {
  database: Database
  drivers: DriverRegistry
  vault: Vault
  clock: Clock
  log: Logger
  /** This process, as `database.life` knows it. */
  processId: string
  /** Export threads. More runs than that may be under way: most of them wait for their destinations. */
  concurrency: number
  /** What waiting goes by; the time of the machine unless given. */
  timer?: Timer
}

export type RunWorker = ReturnType<typeof runWorker>

export function runWorker(options: RunWorkerOptions) {
  const { database, clock, log } = options
  const lease = runLease(database, options.processId)
  const threads = exportThreads(options.concurrency)
  const { timer = systemTimer } = options
  const traffic = lanes(timer)
  const parts = { ...options, lease, threads, timer, budgets: budgets(timer), lanes: traffic }
  const maxActive = options.concurrency + MAX_WAITING
  const stopping = new AbortController()
  const active = new Set<Promise<void>>()
  let loop: Promise<void> = Promise.resolve()

  const work = async () => {
    while (!stopping.signal.aborted) {
      const run = active.size < maxActive ? await claim() : null
      if (!run) {
        await database.wake.wait('runs', POLL_MS, stopping.signal)
        continue
      }
      const leave = traffic.enter(run.destinationId, limitOf(run))
      const task: Promise<void> = seeThrough({ ...parts, run, stopping: stopping.signal }).finally(() => {
        active.delete(task)
        leave()
        database.wake.notify('runs')
      })
      active.add(task)
    }
  }
  /** Requests of one destination go one after the other; files as many at once as there are threads, and two at least. */
  const limitOf = ({ plan }: Row<'runs'>): number =>
    options.drivers.find(plan.destination.type)?.delivery === 'FILE' ? Math.max(2, options.concurrency) : 1
  const claim = async () => {
    try {
      return await lease.claim(clock(), traffic.closed())
    } catch (error) {
      log.error({ error }, 'the queue could not be read; trying again')
      return null
    }
  }

  return {
    start() {
      loop = work()
    },
    /** Stops claiming; running exports let go of their runs, to be resumed, and runs that are publishing finish. */
    async stop(): Promise<void> {
      stopping.abort(new Draining())
      await loop
      await Promise.all(active)
      await threads.stop()
    },
  }
}

class Draining extends Error {
  override readonly name = 'Draining'
}
class Cancelling extends Error {
  override readonly name = 'Cancelling'
}
class Lost extends Error {
  override readonly name = 'Lost'
}

interface Task extends RunWorkerOptions {
  lease: ReturnType<typeof runLease>
  threads: ExportThreads
  timer: Timer
  budgets: Budgets
  lanes: Lanes
  run: Row<'runs'>
  stopping: AbortSignal
}

/** Never rejects: whatever happens to a run is written down, or left to the lease. */
async function seeThrough(task: Task): Promise<void> {
  const { run, lease, clock, log } = task
  const claim: Claim = { runId: run.id, fence: run.fence }
  const watch = watchClaim(task, claim)
  try {
    if (run.status === 'CANCELLING') throw new Cancelling()
    await deliver(task, claim, AbortSignal.any([task.stopping, watch.signal]))
    task.lanes.answered(run.destinationId)
    await lease.end(claim, { status: 'SUCCESS' }, clock())
    log.info({ runId: run.id }, 'run succeeded')
  } catch (error) {
    await settleSoon(task, claim, error).catch((failure: unknown) => {
      log.error(
        { runId: run.id, error: failure },
        'the end of an attempt could not be recorded; its lease decides',
      )
    })
  } finally {
    watch.stop()
  }
}

async function deliver(task: Task, claim: Claim, signal: AbortSignal): Promise<void> {
  const { run, database, lease, threads, clock, timer } = task
  const context = { database, lease, threads, clock, run, claim, signal }
  const delivering = withDelivery(
    { ...task, signal },
    {
      files: (delivery) => exportRun({ ...context, delivery, extension: extensionOf(run) }),
      profiles: (delivery) => exportProfiles({ ...context, delivery, timer }),
    },
  )
  await endedSoonAfter(signal, delivering)
}

/** What the work comes to; a driver that does not notice that it is to stop is left behind, with the signal's reason. */
async function endedSoonAfter(signal: AbortSignal, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  // The signal lives longer than this work: what is left waiting for it would hold up the end of the process.
  const over = new AbortController()
  const leftBehind = new Promise<never>((_, reject) => {
    const leave = () => {
      timer = setTimeout(() => reject(signal.reason), MAX_STOPPING_MS)
    }
    if (signal.aborted) leave()
    else signal.addEventListener('abort', leave, { once: true, signal: over.signal })
  })
  try {
    await Promise.race([work, leftBehind])
  } finally {
    over.abort()
    clearTimeout(timer)
  }
}

function extensionOf({ id, plan }: Row<'runs'>): string {
  if (plan.fileFormat) return fileExtension(plan.fileFormat)
  throw new Error(`run ${id} has no file format`)
}

/** A refused write says only that something changed; the run row says what. */
async function meaningOf(error: unknown, lease: Task['lease'], claim: Claim): Promise<unknown> {
  if (!(error instanceof StaleWrite)) return error
  const standing = await lease.standing(claim)
  return standing === 'cancelling' ? new Cancelling() : new Lost()
}

/** Through an outage of the database that is no longer than the lease: whoever comes after that finds the run free. */
async function settleSoon(task: Task, claim: Claim, thrown: unknown): Promise<void> {
  const began = task.timer.now()
  for (;;) {
    try {
      return await settle(task, claim, thrown)
    } catch (error) {
      const isOver = task.stopping.aborted || task.timer.now() - began > LEASE_MS
      if (isOver || !outageIn(error)) throw error
      await task.timer.sleep(POLL_MS, task.stopping).catch(() => {})
    }
  }
}

async function settle(task: Task, claim: Claim, thrown: unknown): Promise<void> {
  const { run, lease, clock, log } = task
  const error = await meaningOf(thrown, lease, claim)
  if (error instanceof Lost) {
    log.warn({ runId: run.id }, 'another worker has taken the run over')
    return
  }
  const at = clock()
  if (error instanceof Cancelling) {
    await discardParts(task)
    await lease.end(claim, { status: 'CANCELLED', ...(await sentIn(task, claim)) }, at)
    log.info({ runId: run.id }, 'run cancelled')
    return
  }
  if (error instanceof Draining) {
    const message = 'the gateway is shutting down'
    await lease.handBack(claim, { message, notBefore: at, attempt: run.attempt - 1, at })
    return
  }
  const failure = failureOf(error)
  const { attempt, startedAt } = run
  const gotFurther = await hasGotFurther(task, claim)
  if (error instanceof DeliveryError) {
    const isDown = error.code === 'UNAVAILABLE' && !gotFurther
    task.lanes[isDown ? 'failed' : 'answered'](run.destinationId)
  }
  const runningMs = at.getTime() - (startedAt ?? at).getTime()
  const next = nextAttempt({ error, attempt, gotFurther, runningMs })
  log[next ? 'warn' : 'error']({ runId: run.id, attempt, error }, 'an attempt to export the run failed')
  if (!next) {
    await discardParts(task)
    await lease.end(claim, { status: 'FAILED', error: failure, ...(await sentIn(task, claim)) }, at)
    return
  }
  const notBefore = new Date(at.getTime() + next.waitMs)
  const restart = failure.code === 'NAME_TAKEN'
  await lease.handBack(claim, { message: failure.message, notBefore, attempt: next.attempt, restart, at })
}

/** Whether this claim has brought the run on: then it may take as many attempts again. */
async function hasGotFurther({ run, lease }: Task, claim: Claim): Promise<boolean> {
  const [before, now] = [run.checkpoint, (await lease.found(claim))?.checkpoint]
  if (!now) return false
  if (!before) return now.afterProfileId > 0
  return now.afterProfileId > before.afterProfileId || now.counters.exported > before.counters.exported
}

/** What a run that ends early has sent for good, where it sends profiles. */
async function sentIn({ lease }: Task, claim: Claim): Promise<{ counters?: RunCounters }> {
  const run = await lease.found(claim)
  const sent = run && profileCheckpoint(run)
  return sent ? { counters: notBelow(run, sent.counters) } : {}
}

/** A run that ended without its files leaves nothing behind; a folder that cannot be reached keeps what it has. */
async function discardParts(task: Task): Promise<void> {
  const { run, log } = task
  if (run.plan.fileFormat === null) return
  try {
    const name = fileCheckpoint(run)?.baseName ?? run.plan.fileName ?? run.id
    const signal = AbortSignal.timeout(MAX_DISCARDING_MS)
    const files = (delivery: FileDelivery) => delivery.discard(name, [])
    await endedSoonAfter(signal, withDelivery({ ...task, signal }, { files, profiles: async () => {} }))
  } catch (error) {
    log.warn({ runId: run.id, error }, 'temporary files of the run could not be removed')
  }
}

/** Renews the lease while the run is worked on, and notices soon when it is cancelled or lost. */
function watchClaim({ lease, clock, log }: Task, claim: Claim) {
  const controller = new AbortController()
  let renewedAt = clock().getTime()
  const look = async () => {
    const standing = await lease.standing(claim)
    if (standing === 'cancelling') controller.abort(new Cancelling())
    else if (standing === 'lost') controller.abort(new Lost())
    else if (clock().getTime() - renewedAt >= HEARTBEAT_MS) {
      await lease.renew(claim, clock())
      renewedAt = clock().getTime()
    }
  }
  const timer = setInterval(() => {
    look().catch((error: unknown) =>
      log.warn({ runId: claim.runId, error }, 'the lease could not be looked after'),
    )
  }, WATCH_MS)
  return { signal: controller.signal, stop: () => clearInterval(timer) }
}
