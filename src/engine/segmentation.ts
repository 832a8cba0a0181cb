// Claims segmentation jobs and sees each to its end, one at a time. Waking is a hint: the poll is the guarantee.
import { outageIn } from '../domain/errors.ts'
import type { RunFailure } from '../domain/model.ts'
import type { Clock, Logger, NewId } from '../domain/ports.ts'
import { type Database, StaleWrite } from '../storage/database.ts'
import { type JobClaim, segmentationLease } from '../storage/segmentation-lease.ts'
import type { Row } from '../storage/tables.ts'
import { deleteUnneededMembers } from './membership-cleanup.ts'
import { evaluateJob } from './segmentation-job.ts'
import { systemTimer, type Timer } from './timer.ts'

const POLL_MS = 500
const MAX_ATTEMPTS = 5
/** Before a job is tried again whose database failed; longer each time. */
const RETRY_MS = 2_000

export interface SegmentationWorkerOptions {
  database: Database
  clock: Clock
  newId: NewId
  log: Logger
  /** This process, as `database.life` knows it. */
  processId: string
  timer?: Timer
}

export function segmentationWorker(options: SegmentationWorkerOptions) {
  const { database, clock, log, timer = systemTimer } = options
  const lease = segmentationLease(database, options.processId)
  const stopping = new AbortController()
  let loop: Promise<void> = Promise.resolve()

  const work = async () => {
    while (!stopping.signal.aborted) {
      const job = await claim()
      if (!job) {
        await database.wake.wait('jobs', POLL_MS, stopping.signal)
        continue
      }
      await seeThrough(job)
      await cleanUp()
    }
  }
  const claim = async () => {
    try {
      return await lease.claim(clock())
    } catch (error) {
      log.error({ error }, 'the segmentation queue could not be read; trying again')
      return null
    }
  }
  const seeThrough = async (job: Row<'segmentationJobs'>) => {
    const claim: JobClaim = { jobId: job.id, fence: job.fence }
    try {
      if (job.attempt > MAX_ATTEMPTS) return await lease.fail(claim, interrupted(job.attempt - 1), clock())
      const started = performance.now()
      const { segments, failed, profiles } = await evaluateJob({
        ...options,
        lease,
        job,
        claim,
        signal: stopping.signal,
      })
      const ms = Math.round(performance.now() - started)
      log.info({ jobId: job.id, segments, failed, profiles, ms }, 'segments evaluated')
    } catch (error) {
      await letGo(job, claim, error)
    } finally {
      database.wake.notify('jobs')
    }
  }
  const letGo = async (job: Row<'segmentationJobs'>, claim: JobClaim, error: unknown) => {
    try {
      if (error instanceof StaleWrite)
        log.warn({ jobId: job.id }, 'another worker holds the segmentation job')
      else if (stopping.signal.aborted) await lease.handBack(claim, job.attempt - 1, clock())
      else if (outageIn(error) && job.attempt < MAX_ATTEMPTS) {
        log.warn({ jobId: job.id, error }, 'the database fails; segmentation is tried again')
        await lease.handBack(claim, job.attempt, clock())
        await timer.sleep(RETRY_MS * job.attempt, stopping.signal).catch(() => undefined)
      } else {
        log.error({ jobId: job.id, error }, 'segmentation failed')
        await lease.fail(claim, asFailure(error), clock())
      }
    } catch (again) {
      // The lease runs out, and whoever claims the job next starts it again.
      log.error({ jobId: job.id, error: again }, 'the end of a segmentation job could not be recorded')
    }
  }
  const cleanUp = async () => {
    try {
      await deleteUnneededMembers(database, stopping.signal)
    } catch (error) {
      log.error({ error }, 'old members could not be deleted; the next job tries again')
    }
  }

  return {
    start(): void {
      loop = work()
    },
    /** Lets go of the job at work within a slice; it is queued again, and starts from the beginning. */
    async stop(): Promise<void> {
      stopping.abort()
      await loop
    },
  }
}

/** For the API: in words, without SQL and without the driver's. */
function asFailure(error: unknown): RunFailure {
  const outage = outageIn(error)
  if (outage) return { code: outage.code, message: outage.message, retryable: true }
  const message = 'The segments could not be evaluated. The log of the gateway says why.'
  return { code: 'EVALUATION_FAILED', message, retryable: false }
}

const interrupted = (attempts: number): RunFailure => ({
  code: 'INTERRUPTED',
  message: `The gateway ended ${attempts} times while it was evaluating. Evaluate fewer segments at a time, or look into its log.`,
  retryable: true,
})
