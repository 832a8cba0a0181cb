// Runs as the API and the services see them. How a worker moves a run on is in run-lease.ts.
import { and, eq, gt, gte, inArray, lt, sql } from 'drizzle-orm'
import type { RejectionReason } from '../domain/model.ts'
import { cursorsOf } from './cursor.ts'
import type { Database, ExpectingQuery, Query } from './database.ts'
import { isVisible } from './filter.ts'
import { type PageArgs, pageSize, selectPage } from './paging.ts'
import { ACTIVE_STATUSES, appendEvent, isActive } from './run-event.ts'
import { type RunFilter, runConditions } from './run-filter.ts'
import type { NewRow, Row } from './tables.ts'

export interface RunOrder {
  field: 'CREATED_AT' | 'COMPLETED_AT'
  direction: 'ASC' | 'DESC'
}
export interface RejectionFilter {
  reason?: RejectionReason[] | null | undefined
  profileId?: number | null | undefined
}

export function runStore(database: Database) {
  const { db, tables } = database
  const { runs, runEvents, runFiles } = tables
  const active = inArray(runs.status, ACTIVE_STATUSES)

  return {
    /** `visible`: only those to a partner's destinations. */
    byIds: (
      sandboxId: string,
      ids: string[],
      visible: readonly string[] | null = null,
    ): Promise<Row<'runs'>[]> =>
      db
        .select()
        .from(runs)
        .where(
          and(eq(runs.sandboxId, sandboxId), inArray(runs.id, ids), isVisible(runs.destinationId, visible)),
        ),

    /** Newest first unless ordered otherwise. Ordered by completion, runs that have not ended are left out. */
    page(options: {
      sandboxId: string
      filter?: RunFilter | null | undefined
      orderBy?: RunOrder | null | undefined
      args: PageArgs
      maxPageSize: number
    }) {
      const { field, direction } = options.orderBy ?? { field: 'CREATED_AT', direction: 'DESC' }
      const byCompletion = field === 'COMPLETED_AT'
      return selectPage({
        db,
        table: runs,
        where: and(
          eq(runs.sandboxId, options.sandboxId),
          ...runConditions(tables, options.filter ?? {}),
          byCompletion ? sql`${runs.completedAt} is not null` : undefined,
        ),
        list: [options.sandboxId, options.filter],
        order: { name: field, column: byCompletion ? runs.completedAt : runs.createdAt, direction },
        args: options.args,
        maxPageSize: options.maxPageSize,
      })
    },

    /** How far every run is that is active, or ended at this moment or later: all that may have news. */
    async standing(sandboxId: string, endedSince: Date): Promise<{ id: string; eventSeq: number }[]> {
      const columns = { id: runs.id, eventSeq: runs.eventSeq }
      // The sandbox as an expression: as a column it would lead SQLite away from the index of the active runs, which
      // are few, to that of all runs of the sandbox.
      const isHere = sql`${runs.sandboxId} || '' = ${sandboxId}`
      const [running, ended] = await Promise.all([
        db
          .select(columns)
          .from(runs)
          .where(and(isActive(tables), isHere)),
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
            eq(runs.sandboxId, sandboxId),
            eq(runs.trigger, 'AD_HOC'),
            active,
            inArray(runs.segmentId, segmentIds),
          ),
        ),

    activeScheduledByDataflows: (sandboxId: string, dataflowIds: string[]): Promise<Row<'runs'>[]> =>
      db
        .select()
        .from(runs)
        .where(
          and(
            eq(runs.sandboxId, sandboxId),
            eq(runs.trigger, 'SCHEDULED'),
            active,
            inArray(runs.dataflowId, dataflowIds),
          ),
        ),

    /** The writes that put a run into the queue: its row and its first event. */
    insertQueued(run: Omit<NewRow<'runs'>, 'status' | 'phase' | 'eventSeq'>): Query[] {
      return [
        db.insert(runs).values({ ...run, status: 'QUEUED', phase: 'WAITING', eventSeq: 1 }),
        appendEvent(database, { runId: run.id, type: 'QUEUED', message: null, at: run.createdAt }),
      ]
    },

    /** The writes that end a run that nobody has claimed; StaleWrite when somebody has. */
    cancelQueued(runId: string, at: Date): (Query | ExpectingQuery)[] {
      const query = db
        .update(runs)
        .set({
          status: 'CANCELLED',
          phase: 'DONE',
          completedAt: at,
          eventSeq: sql`${runs.eventSeq} + 1`,
          fence: sql`${runs.fence} + 1`,
        })
        .where(and(eq(runs.id, runId), eq(runs.status, 'QUEUED')))
      return [{ query, expect: 1 }, appendEvent(database, { runId, type: 'CANCELLED', message: null, at })]
    },

    /**
     * The writes that ask the worker to stop; StaleWrite when the run is not processing any more, or is past the point
     * where its files appear (phase FINALIZING).
     */
    requestCancel(runId: string, at: Date): (Query | ExpectingQuery)[] {
      const query = db
        .update(runs)
        .set({
          status: 'CANCELLING',
          eventSeq: sql`${runs.eventSeq} + 1`,
          // A run between two attempts is nobody's: it may be claimed, and ended, at once.
          leaseUntil: sql`case when ${runs.leaseOwner} is null then ${sql.param(at, runs.leaseUntil)} else ${runs.leaseUntil} end`,
        })
        .where(and(eq(runs.id, runId), eq(runs.status, 'PROCESSING'), sql`${runs.phase} <> 'FINALIZING'`))
      return [{ query, expect: 1 }, appendEvent(database, { runId, type: 'CANCELLING', message: null, at })]
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

    rejectionPage: (options: {
      runId: string
      filter?: RejectionFilter | null | undefined
      args: PageArgs
      maxPageSize: number
    }) => rejectionPage(database, options),
  }
}

/** Rejections have no id of their own: a profile is rejected once per run, so its id is the position. */
async function rejectionPage(
  database: Database,
  options: {
    runId: string
    filter?: RejectionFilter | null | undefined
    args: PageArgs
    maxPageSize: number
  },
) {
  const { db, tables } = database
  const { rejections } = tables
  const { runId, args } = options
  const filter = options.filter ?? {}
  const size = pageSize(args, options.maxPageSize)
  const where = and(
    eq(rejections.runId, runId),
    filter.reason ? inArray(rejections.reason, filter.reason) : undefined,
    filter.profileId != null ? eq(rejections.profileId, filter.profileId) : undefined,
  )
  const cursors = cursorsOf(['rejections', runId, filter])
  const position = (cursor: string, path: string) => Number(cursors.decode(cursor, path)[0])
  const backward = args.last != null
  const rows = await db
    .select()
    .from(rejections)
    .where(
      and(
        where,
        args.after ? gt(rejections.profileId, position(args.after, 'after')) : undefined,
        args.before ? lt(rejections.profileId, position(args.before, 'before')) : undefined,
      ),
    )
    .orderBy(backward ? sql`${rejections.profileId} desc` : rejections.profileId)
    .limit(size + 1)
  const more = rows.length > size
  const kept = rows.slice(0, size)
  if (backward) kept.reverse()
  return {
    rows: kept,
    hasNextPage: backward ? Boolean(args.before) : more,
    hasPreviousPage: backward ? more : Boolean(args.after),
    cursorOf: ({ profileId }: Row<'rejections'>) => cursors.encode(profileId, ''),
    // There may be as many as profiles: counted off the event loop.
    totalCount: async () => {
      const [row] = await database.aside(db.select({ count: sql`count(*)` }).from(rejections).where(where))
      return Number(row?.[0] ?? 0)
    },
  }
}
