// Moves a run on as a worker would.
import { eq, sql } from 'drizzle-orm'
import type { RunEventType, RunStatus } from '../../src/domain/model.ts'
import { announceRun, appendEvent } from '../../src/storage/run-event.ts'
import type { TestDatabase } from './database.ts'

const STATUS: Partial<Record<RunEventType, RunStatus>> = {
  SUCCEEDED: 'SUCCESS',
  FAILED: 'FAILED',
  CANCELLED: 'CANCELLED',
}

/** Changes the run's row and appends to its log in one batch, then wakes whoever waits for it. */
export async function happen(
  test: TestDatabase,
  runId: string,
  type: RunEventType,
  received = 0,
  message: string | null = null,
) {
  const { database } = test
  const { runs } = database.tables
  const ended = STATUS[type]
  const now = new Date()
  const change = {
    status: ended ?? 'PROCESSING',
    received,
    startedAt: new Date(now.getTime() - 1000),
    completedAt: ended ? now : null,
  }
  await database.batch([
    database.db
      .update(runs)
      .set({ ...change, eventSeq: sql`${runs.eventSeq} + 1` })
      .where(eq(runs.id, runId)),
    ...appendEvent(database, { runId, type, message, at: now }),
  ])
  announceRun(database, runId)
}
