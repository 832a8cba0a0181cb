// The run log: the states of a run, and the statement that appends to its story.
import { type AnyColumn, and, eq, exists, notExists, type SQL, sql } from 'drizzle-orm'
import type { RunEventType, RunStatus } from '../domain/model.ts'
import type { Database, Query } from './database.ts'
import { countEnded } from './run-totals.ts'

export const TERMINAL_STATUSES: readonly RunStatus[] = ['SUCCESS', 'FAILED', 'CANCELLED']
export const ACTIVE_STATUSES: RunStatus[] = ['QUEUED', 'PROCESSING', 'CANCELLING']

/** Word for word the condition of the index `runs_active`: with anything else, a parameter even, SQLite reads all runs. */
export const isActive = ({ runs }: Pick<Database['tables'], 'runs'>): SQL =>
  sql`${runs.status} in ('QUEUED', 'PROCESSING', 'CANCELLING')`

/**
 * The column as an expression, beside `isActive`: as a column it would lead SQLite away from the index of the active
 * runs, which are few, to one of all runs.
 */
export const unindexed = (column: AnyColumn): SQL<string> => sql`${column} || ''`

/** The run's destination takes profiles: what is sent there can't be taken back, and no files appear. */
export const sendsProfiles = ({ runs }: Pick<Database['tables'], 'runs'>): SQL =>
  sql`${runs.plan} ->> 'fileFormat' is null`

/**
 * Appends the run's present state to its log, under the sequence number that the run row carries.
 * Goes into a batch right after the update that moved `event_seq` on.
 */
export function appendEvent(
  database: Database,
  event: { runId: string; type: RunEventType; message: string | null; at: Date },
): Query[] {
  return appendEvents(database, eq(database.tables.runs.id, event.runId), event)
}

/** The same for every run that fits, whose newest event it is to become. */
export function appendEvents(
  database: Database,
  which: SQL | undefined,
  event: { type: RunEventType; message: string | null; at: Date },
): Query[] {
  const { db, tables } = database
  const { runs, runEvents } = tables
  const append = db.insert(runEvents).select(
    db
      .select({
        runId: runs.id,
        seq: runs.eventSeq,
        type: sql<RunEventType>`${event.type}`.as('type'),
        status: runs.status,
        phase: runs.phase,
        total: runs.total,
        received: runs.received,
        exported: runs.exported,
        excluded: runs.excluded,
        failed: runs.failed,
        bytes: runs.bytes,
        files: runs.files,
        message: sql<string | null>`${event.message}`.as('message'),
        at: sql<Date>`${sql.param(event.at, runEvents.at)}`.as('at'),
      })
      .from(runs)
      .where(which),
  )
  // First: `which` may ask for runs whose event is not written yet.
  const news = NEWS.includes(event.type) ? [markNews(database, which, event.type)] : []
  const totals = ENDS.includes(event.type) ? [countEnded(database, which)] : []
  return [...totals, ...news, append]
}

const ENDS: readonly RunEventType[] = ['SUCCEEDED', 'FAILED', 'CANCELLED']

/** What somebody may be notified of; of the queue only runs that come late. */
const NEWS: readonly RunEventType[] = ['QUEUED', 'STARTED', 'SUCCEEDED', 'FAILED', 'CANCELLED']

/** Keeps in mind that targets are to be notified of the event; nothing where there is no target. */
function markNews({ db, tables }: Database, which: SQL | undefined, type: RunEventType): Query {
  const { runs, runNews, notificationTargets: targets } = tables
  const isHeard = exists(
    db.select({ one: sql`1` }).from(targets).where(eq(targets.sandboxId, runs.sandboxId)),
  )
  const isLate = type === 'QUEUED' ? eq(runs.isLate, true) : undefined
  return db.insert(runNews).select(
    db
      .select({ runId: runs.id, seq: runs.eventSeq })
      .from(runs)
      .where(and(which, isLate, isHeard)),
  )
}

/** Runs that were moved on in this batch, and whose event is not written yet. */
export function isUnlogged({ db, tables: { runs, runEvents } }: Database): SQL {
  const logged = and(eq(runEvents.runId, runs.id), eq(runEvents.seq, runs.eventSeq))
  return notExists(db.select({ one: sql`1` }).from(runEvents).where(logged))
}

/** After a batch with events of a run: wakes its followers, and those of all runs. */
export function announceRun({ wake }: Pick<Database, 'wake'>, runId: string): void {
  wake.notify(`run:${runId}`)
  wake.notify('run-logs')
}
