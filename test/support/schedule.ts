// A world whose clock is set by hand, with the scheduler that a gateway has.
import { asc, eq } from 'drizzle-orm'
import type { Frequency, Schedule } from '../../src/domain/model.ts'
import { scheduler } from '../../src/engine/scheduler.ts'
import { scheduledRunService } from '../../src/services/scheduled-run.ts'
import type { Database } from '../../src/storage/database.ts'
import { runLease } from '../../src/storage/run-lease.ts'
import type { Row } from '../../src/storage/tables.ts'
import { silent, type TestDatabase } from './database.ts'

export const HOUR = 3_600_000
export const DAY = 24 * HOUR

export const aSchedule = (frequency: Frequency, changes: Partial<Schedule> = {}): Schedule => ({
  frequency,
  trigger: 'SCHEDULED',
  startDate: '2026-01-01',
  endDate: null,
  startTime: '06:00',
  ...changes,
})

/** The scheduler of a process of its own, on the database of the test unless given another connection to it. */
export function aScheduler(test: TestDatabase, database: Database = test.database) {
  const ctx = { ...test.ctx, database }
  return scheduler({ database, clock: ctx.clock, log: silent, make: scheduledRunService(ctx).make })
}

/** Scheduled runs, in the order of their slots. */
export function scheduledRuns({ database }: TestDatabase): Promise<Row<'runs'>[]> {
  const { runs } = database.tables
  return database.db
    .select()
    .from(runs)
    .where(eq(runs.trigger, 'SCHEDULED'))
    .orderBy(asc(runs.dueAt), asc(runs.id))
}

/** As a worker does it, but for the export: claims what there is, and ends it. Returns how many. */
export async function finishRuns(
  test: TestDatabase,
  outcome: (run: Row<'runs'>) => 'SUCCESS' | 'FAILED' = () => 'SUCCESS',
): Promise<number> {
  const lease = runLease(test.database, 'prc_test')
  for (let count = 0; ; count += 1) {
    const run = await lease.claim(test.ctx.clock())
    if (!run) return count
    const claim = { runId: run.id, fence: run.fence }
    const error = { code: 'REFUSED_WRITE', message: 'No.', retryable: false }
    const status = outcome(run)
    await lease.end(claim, status === 'FAILED' ? { status, error } : { status }, test.ctx.clock())
  }
}
