// Ending runs before they are done: one that somebody cancels, or all that lead to what is taken out of use.
import { and, eq, inArray, or, type SQL, type SQLWrapper, sql } from 'drizzle-orm'
import type { Database, ExpectingQuery, Query } from './database.ts'
import { appendEvent, appendEvents, isActive, isUnlogged, sendsProfiles } from './run-event.ts'

/** Ids of destinations, or a select of them. */
export type Destinations = readonly string[] | SQLWrapper

export function runCancel(database: Database) {
  const { db, tables } = database
  const { runs } = tables
  /** Nobody has claimed it: it ends at once. */
  const isQueued = eq(runs.status, 'QUEUED')
  const endQueued = (which: SQL | undefined, at: Date) =>
    db
      .update(runs)
      .set({
        status: 'CANCELLED',
        phase: 'DONE',
        completedAt: at,
        eventSeq: sql`${runs.eventSeq} + 1`,
        fence: sql`${runs.fence} + 1`,
      })
      .where(and(which, isQueued))
  /** Its worker is to stop, unless its files are appearing. */
  const isStoppable = and(
    eq(runs.status, 'PROCESSING'),
    or(sql`${runs.phase} <> 'FINALIZING'`, sendsProfiles(tables)),
  )
  const askToStop = (which: SQL | undefined, at: Date) =>
    db
      .update(runs)
      .set({
        status: 'CANCELLING',
        eventSeq: sql`${runs.eventSeq} + 1`,
        // A run between two attempts is nobody's: it may be claimed, and ended, at once.
        leaseUntil: sql`case when ${runs.leaseOwner} is null then ${sql.param(at, runs.leaseUntil)} else ${runs.leaseUntil} end`,
      })
      .where(and(which, isStoppable))
  const leadTo = (destinations: Destinations) => inArray(runs.destinationId, destinations)

  return {
    /** The writes that end a run that nobody has claimed; StaleWrite when somebody has. */
    queued: (runId: string, at: Date): (Query | ExpectingQuery)[] => [
      { query: endQueued(eq(runs.id, runId), at), expect: 1 },
      ...appendEvent(database, { runId, type: 'CANCELLED', message: null, at }),
    ],

    /**
     * The writes that ask the worker to stop; StaleWrite when the run is not processing any more, or is past the point
     * where its files appear (phase FINALIZING).
     */
    processing: (runId: string, at: Date): (Query | ExpectingQuery)[] => [
      { query: askToStop(eq(runs.id, runId), at), expect: 1 },
      ...appendEvent(database, { runId, type: 'CANCELLING', message: null, at }),
    ],

    /** Runs on their way to the destinations: whom to wake after `allTo`. */
    async activeTo(destinations: Destinations): Promise<string[]> {
      const rows = await db
        .select({ id: runs.id })
        .from(runs)
        .where(and(isActive(tables), leadTo(destinations)))
      return rows.map(({ id }) => id)
    },

    /** The writes that do both to all runs on their way to the destinations, however many, and say why in their logs. */
    allTo(
      destinations: Destinations,
      { sandboxId, why, at }: { sandboxId: string; why: string; at: Date },
    ): Query[] {
      const active = and(isActive(tables), leadTo(destinations))
      const isUnsaid = isUnlogged(database)
      const ended = and(
        eq(runs.sandboxId, sandboxId),
        eq(runs.completedAt, at),
        eq(runs.status, 'CANCELLED'),
        isUnsaid,
      )
      const asked = and(active, eq(runs.status, 'CANCELLING'), isUnsaid)
      return [
        endQueued(active, at),
        ...appendEvents(database, ended, { type: 'CANCELLED', message: why, at }),
        askToStop(active, at),
        ...appendEvents(database, asked, { type: 'CANCELLING', message: why, at }),
      ]
    },
  }
}
