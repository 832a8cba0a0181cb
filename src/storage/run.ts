// Runs as the API and the services see them. How a worker moves a run on is in run-lease.ts.
import { and, eq, gt, gte, inArray, isNotNull, sql } from 'drizzle-orm'
import type { RunFailure } from '../domain/model.ts'
import type { Database, Query } from './database.ts'
import { fixed, hasId, is, isAlso, isVisible } from './filter.ts'
import { type Paging, selectPage, selectPages } from './paging.ts'
import { reader, type Selection } from './read.ts'
import { appendEvent, isActive, unindexed } from './run-event.ts'
import { type RunFilter, runConditions } from './run-filter.ts'
import type { NewRow, Row } from './tables.ts'

export interface RunOrder {
  field: 'CREATED_AT' | 'COMPLETED_AT'
  direction: 'ASC' | 'DESC'
}
/** A run without what only its export needs, which may be long. */
export type RunFacts = Omit<Row<'runs'>, 'plan' | 'checkpoint'>

export function runStore(database: Database) {
  const { db, tables } = database
  const { runs, runEvents, runFiles, runTotals } = tables
  const parentColumns = { segment: runs.segmentId, dataflow: runs.dataflowId }
  const read = reader(database, runs, { without: ['plan', 'checkpoint'] })

  return {
    /** Rows of status and count; reads all runs of the sandbox. */
    countByStatus: (sandboxId: string): Query =>
      db
        .select({ status: runs.status, count: sql<number>`count(*)` })
        .from(runs)
        .where(eq(runs.sandboxId, sandboxId))
        .groupBy(runs.status),

    /** When the run was made that has waited longest for a worker; null when none waits. */
    async oldestQueued(sandboxId: string): Promise<Date | null> {
      const [row] = await db
        .select({ createdAt: runs.createdAt })
        .from(runs)
        .where(and(isActive(tables), eq(runs.status, 'QUEUED'), eq(unindexed(runs.sandboxId), sandboxId)))
        .orderBy(runs.createdAt)
        .limit(1)
      return row?.createdAt ?? null
    },

    totals: (sandboxId: string): Promise<Row<'runTotals'>[]> =>
      db.select().from(runTotals).where(eq(runTotals.sandboxId, sandboxId)).orderBy(runTotals.status),

    /** `visible`: only those to a partner's destinations. */
    byIds: (
      sandboxId: string,
      ids: readonly string[],
      visible: readonly string[] | null = null,
      only?: Selection,
    ): Promise<RunFacts[]> =>
      read.rows(
        [isAlso(runs.sandboxId, sandboxId), hasId(runs.id, ids), isVisible(runs.destinationId, visible)],
        { only },
      ),

    /** With everything that an export needs. */
    async whole(sandboxId: string, id: string): Promise<Row<'runs'> | null> {
      const [row] = await db
        .select()
        .from(runs)
        .where(and(eq(runs.sandboxId, sandboxId), eq(runs.id, id)))
      return row ?? null
    },

    /**
     * Newest first unless ordered otherwise. Ordered by completion, runs that have not ended are left out.
     * @throws Refusal for bad paging or too long a filter
     */
    async page(options: RunList) {
      const { ids, dataflowIds, segmentIds } = options.filter ?? {}
      const isFewRows = Boolean(ids ?? dataflowIds ?? segmentIds)
      return selectPage({ reader: read, ...listOf(tables, options, isFewRows) })
    },

    /** The same for the runs of each segment or dataflow. */
    async pages(of: { parent: keyof typeof parentColumns; ids: readonly string[] }, options: RunList) {
      const parents = { column: parentColumns[of.parent], ids: of.ids }
      return selectPages({ reader: read, parents, ...listOf(tables, options, true) })
    },

    /** How far every run is that is active, or ended at this moment or later: all that may have news. */
    async standing(sandboxId: string, endedSince: Date): Promise<{ id: string; eventSeq: number }[]> {
      const columns = { id: runs.id, eventSeq: runs.eventSeq }
      const [running, ended] = await Promise.all([
        db
          .select(columns)
          .from(runs)
          .where(and(isActive(tables), eq(unindexed(runs.sandboxId), sandboxId))),
        db
          .select(columns)
          .from(runs)
          .where(and(eq(runs.sandboxId, sandboxId), gte(runs.completedAt, endedSince))),
      ])
      return [...running, ...ended]
    },

    activeAdHocBySegments: (sandboxId: string, segmentIds: string[]): Promise<Row<'runs'>[]> =>
      db
        .select()
        .from(runs)
        .where(
          and(
            isActive(tables),
            eq(unindexed(runs.sandboxId), sandboxId),
            eq(runs.trigger, 'AD_HOC'),
            inArray(unindexed(runs.segmentId), segmentIds),
          ),
        ),

    activeScheduledByDataflows: (sandboxId: string, dataflowIds: string[]): Promise<Row<'runs'>[]> =>
      db
        .select()
        .from(runs)
        .where(
          and(
            isActive(tables),
            eq(unindexed(runs.sandboxId), sandboxId),
            eq(runs.trigger, 'SCHEDULED'),
            inArray(unindexed(runs.dataflowId), dataflowIds),
          ),
        ),

    /** The writes that put a run into the queue: its row and its first event. */
    insertQueued(run: QueuedRun, message: string | null = null): Query[] {
      return [
        db.insert(runs).values({ ...run, status: 'QUEUED', phase: 'WAITING', eventSeq: 1 }),
        ...appendEvent(database, { runId: run.id, type: 'QUEUED', message, at: run.createdAt }),
      ]
    },

    /** The writes that end a run, queued in the same batch, that cannot begin. */
    failQueued({ id: runId, createdAt: at }: QueuedRun, error: RunFailure): Query[] {
      const failed = { status: 'FAILED', phase: 'DONE', error, completedAt: at, eventSeq: 2 } as const
      return [
        db.update(runs).set(failed).where(eq(runs.id, runId)),
        ...appendEvent(database, { runId, type: 'FAILED', message: error.message, at }),
      ]
    },

    filesOf: (runIds: string[]): Promise<Row<'runFiles'>[]> =>
      db
        .select()
        .from(runFiles)
        .where(inArray(runFiles.runId, runIds))
        .orderBy(runFiles.runId, runFiles.part),

    eventsAfter: (runId: string, seq: number, limit: number): Promise<Row<'runEvents'>[]> =>
      db
        .select()
        .from(runEvents)
        .where(and(eq(runEvents.runId, runId), gt(runEvents.seq, seq)))
        .orderBy(runEvents.seq)
        .limit(limit),

    /** How many profiles the destination refused in the run. There may be very many: counted off the event loop. */
    async countRefused(runId: string): Promise<number> {
      const { rejections } = tables
      const isRefused = and(eq(rejections.runId, runId), eq(rejections.reason, 'REFUSED_BY_DESTINATION'))
      const [row] = await database.aside(
        db.select({ count: sql`count(*)` }).from(rejections).where(isRefused),
      )
      return Number(row?.[0] ?? 0)
    },
  }
}

export type QueuedRun = Omit<NewRow<'runs'>, 'status' | 'phase' | 'eventSeq'>

interface RunList extends Paging {
  sandboxId: string
  visible?: readonly string[] | null
  filter?: RunFilter | null | undefined
  orderBy?: RunOrder | null | undefined
}

/** `isFewRows`: other conditions than the sandbox are the ones to search by. */
function listOf(tables: Database['tables'], options: RunList, isFewRows: boolean) {
  const { runs } = tables
  const { sandboxId, visible = null, filter, ...paging } = options
  const { field, direction } = options.orderBy ?? { field: 'CREATED_AT', direction: 'DESC' }
  const isByCompletion = field === 'COMPLETED_AT'
  const where = [
    (isFewRows ? isAlso : is)(runs.sandboxId, sandboxId),
    isVisible(runs.destinationId, visible),
    ...runConditions(tables, filter ?? {}),
    isByCompletion ? fixed('completed', () => isNotNull(runs.completedAt)) : undefined,
  ]
  const column = isByCompletion ? runs.completedAt : runs.createdAt
  return { where, order: { name: field, column, tie: runs.id, direction }, ...paging }
}
