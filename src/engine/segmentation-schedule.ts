// Queues a segmentation job of every sandbox when it is due. Any number of processes may do so on one database: unique
// indexes let one job through for a time, and one active job in a sandbox.
import type { Cron, Logger, NewId } from '../domain/ports.ts'
import { evaluationOrder } from '../domain/rule-order.ts'
import type { Database } from '../storage/database.ts'
import { segmentStore } from '../storage/segment.ts'
import { segmentationJobStore } from '../storage/segmentation-job.ts'

export type SegmentationSchedule = ReturnType<typeof segmentationSchedule>

/**
 * Made to be asked again and again, as the scheduler does. Of several times that were missed only the latest is made up
 * for; a job that is not done yet is waited for.
 */
export function segmentationSchedule(options: {
  database: Database
  newId: NewId
  log: Logger
  /** Null: segments are evaluated on request only. */
  times: Cron | null
}) {
  const { database, newId, log, times } = options
  const jobs = segmentationJobStore(database)
  /** Every sandbox has its job of this time; it need not be looked for again. */
  let settled: Date | null = null

  const queue = async (sandboxId: string, dueAt: Date, now: Date): Promise<void> => {
    const kept = await segmentStore(database).allKept(sandboxId)
    const active = evaluationOrder(kept.filter(({ status }) => status === 'ACTIVE'))
    const id = newId('segmentationJob')
    try {
      await database.batch([
        jobs.insert({
          id,
          sandboxId,
          status: 'QUEUED',
          trigger: 'SCHEDULED',
          segmentIds: active.map((segment) => segment.id),
          dueAt,
          createdAt: now,
        }),
      ])
    } catch (error) {
      // Another process was faster, or a job is at work, whose end is waited for.
      if (database.violatedTable(error) !== 'segmentation_jobs') throw error
      return
    }
    log.info({ jobId: id, sandboxId, dueAt, segments: active.length }, 'segmentation is due')
    database.wake.notify('jobs')
  }

  return {
    /** @throws what the database throws; the next tick tries again */
    async tick(now: Date): Promise<void> {
      const dueAt = times?.latest(now)
      if (!dueAt || settled?.getTime() === dueAt.getTime()) return
      const waiting = await jobs.sandboxesDue(dueAt)
      if (waiting.length === 0) settled = dueAt
      for (const { sandboxId, isBusy } of waiting) if (!isBusy) await queue(sandboxId, dueAt, now)
    },
  }
}
