// What happened to runs, on its way to the messages that tell of it.
import { and, asc, eq, gt, inArray, isNotNull, lt, lte, ne, or, type SQL } from 'drizzle-orm'
import type { ToldState } from '../domain/notification.ts'
import { chunks } from './chunks.ts'
import type { Database, Write } from './database.ts'
import { isActive } from './run-event.ts'
import type { Row } from './tables.ts'

/** An event of a run that may be told of. */
export interface Happening {
  event: Row<'runEvents'>
  run: Pick<
    Row<'runs'>,
    | 'id'
    | 'sandboxId'
    | 'dataflowId'
    | 'mappingId'
    | 'trigger'
    | 'mode'
    | 'plan'
    | 'isLate'
    | 'createdAt'
    | 'startedAt'
  >
}
/** What a target is to know and to be sent. */
export interface Telling {
  target: Row<'notificationTargets'>
  states: { dataflowId: string; state: ToldState; readVersion: number | null }[]
  bodies: string[]
  dropped: number
  at: Date
}
type NewsKey = Row<'runNews'>

const IDS_AT_ONCE = 500

export function notificationQueue(database: Database) {
  const { db, tables } = database
  const { runs, runEvents, runNews, notificationTargets: targets, notificationStates: states } = tables
  const run = {
    id: runs.id,
    sandboxId: runs.sandboxId,
    dataflowId: runs.dataflowId,
    mappingId: runs.mappingId,
    trigger: runs.trigger,
    mode: runs.mode,
    plan: runs.plan,
    isLate: runs.isLate,
    createdAt: runs.createdAt,
    startedAt: runs.startedAt,
  }

  return {
    /** The oldest events that nobody has looked at; without one where the log has been cleaned up since. */
    news: (
      limit: number,
    ): Promise<{ key: NewsKey; event: Happening['event'] | null; run: Happening['run'] | null }[]> =>
      db
        .select({ key: { runId: runNews.runId, seq: runNews.seq }, event: runEvents, run })
        .from(runNews)
        .leftJoin(runEvents, and(eq(runEvents.runId, runNews.runId), eq(runEvents.seq, runNews.seq)))
        .leftJoin(runs, eq(runs.id, runNews.runId))
        .orderBy(asc(runEvents.at), asc(runNews.runId), asc(runNews.seq))
        .limit(limit),

    /** Scheduled runs for slots before a moment that have not ended, with what happened to them last. */
    overdue: (before: Date, limit: number): Promise<Happening[]> =>
      db
        .select({ event: runEvents, run })
        .from(runs)
        .innerJoin(runEvents, and(eq(runEvents.runId, runs.id), eq(runEvents.seq, runs.eventSeq)))
        .where(and(isActive(tables), isNotNull(runs.dueAt), lt(runs.dueAt, before)))
        .orderBy(asc(runs.dueAt), asc(runs.id))
        .limit(limit),

    targetsOf: (sandboxIds: readonly string[]): Promise<Row<'notificationTargets'>[]> =>
      db
        .select()
        .from(targets)
        .where(inArray(targets.sandboxId, [...sandboxIds]))
        .orderBy(asc(targets.id)),

    statesOf: (
      targetIds: readonly string[],
      dataflowIds: readonly string[],
    ): Promise<Row<'notificationStates'>[]> =>
      db
        .select()
        .from(states)
        .where(and(inArray(states.targetId, [...targetIds]), inArray(states.dataflowId, [...dataflowIds]))),

    /** Those of the mappings that exports go through. */
    async activeAmong(mappingIds: readonly string[]): Promise<Set<string>> {
      const { id, elementStatus } = tables.segmentMappings
      const found = new Set<string>()
      for (const ids of chunks([...mappingIds], IDS_AT_ONCE)) {
        const rows = await db
          .select({ id })
          .from(tables.segmentMappings)
          .where(and(inArray(id, ids), ne(elementStatus, 'DELETED')))
        for (const row of rows) found.add(row.id)
      }
      return found
    },

    /** Whether no other run of the dataflow was under way when this one was taken up. */
    async wasFirst({ id, sandboxId, dataflowId, startedAt }: Happening['run']): Promise<boolean> {
      if (startedAt === null) return false
      const before = or(lt(runs.startedAt, startedAt), and(eq(runs.startedAt, startedAt), lt(runs.id, id)))
      const other = (where: SQL | undefined) =>
        db
          .select({ id: runs.id })
          .from(runs)
          .where(and(eq(runs.dataflowId, dataflowId), ne(runs.id, id), before, where))
          .limit(1)
      const [active, ended] = await Promise.all([
        other(isActive(tables)),
        other(and(eq(runs.sandboxId, sandboxId), gt(runs.completedAt, startedAt))),
      ])
      return active.length === 0 && ended.length === 0
    },

    /**
     * All at once: the news are dealt with, and their messages wait to be sent.
     * @throws StaleWrite, or an error of the table of states, when another process was faster or a target is gone
     */
    async tell(news: readonly NewsKey[], tellings: readonly Telling[]): Promise<void> {
      await database.batch([
        ...news.map(({ runId, seq }) => ({
          query: db.delete(runNews).where(and(eq(runNews.runId, runId), eq(runNews.seq, seq))),
          expect: 1,
        })),
        ...tellings.flatMap((telling) => writesOf(database, telling)),
      ])
      if (tellings.some(({ bodies }) => bodies.length > 0)) database.wake.notify('notifications')
    },
  }
}

function writesOf({ db, tables }: Database, { target, states: told, bodies, dropped, at }: Telling): Write[] {
  const { notificationTargets: targets, notificationStates: states, notificationMessages: messages } = tables
  const { id, queuedSeq } = target
  return [
    {
      query: db
        .update(targets)
        .set({ queuedSeq: queuedSeq + bodies.length, dropped: target.dropped + dropped })
        .where(
          and(eq(targets.id, id), eq(targets.queuedSeq, queuedSeq), lte(targets.dropped, target.dropped)),
        ),
      expect: 1,
    },
    ...told.map(({ dataflowId, state, readVersion }) =>
      readVersion === null
        ? db.insert(states).values({ targetId: id, dataflowId, state, version: 1 })
        : {
            query: db
              .update(states)
              .set({ state, version: readVersion + 1 })
              .where(
                and(
                  eq(states.targetId, id),
                  eq(states.dataflowId, dataflowId),
                  eq(states.version, readVersion),
                ),
              ),
            expect: 1,
          },
    ),
    ...bodies.map((body, index) =>
      db.insert(messages).values({ targetId: id, seq: queuedSeq + 1 + index, body, createdAt: at }),
    ),
  ]
}
