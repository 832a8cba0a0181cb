// How a process holds a target and sends it what waits, in order. Every write carries the fencing token of the claim: a
// process that was thought dead and comes back finds its writes refused (StaleWrite), and lets go.
import { and, asc, eq, gt, isNull, lte, or, sql } from 'drizzle-orm'
import type { Database, Query } from './database.ts'
import { isLeft, leaseUntil } from './lease.ts'
import type { NewRow, Row } from './tables.ts'

type Target = Row<'notificationTargets'>
export type TargetClaim = Pick<Target, 'id' | 'fence'>
export type NotificationLease = ReturnType<typeof notificationLease>

const RELEASED = { leaseOwner: null, leaseUntil: null }

export function notificationLease(database: Database, processId: string) {
  const { db, tables } = database
  const { notificationTargets: targets, notificationMessages: messages } = tables
  const held = ({ id, fence }: TargetClaim, change: Partial<NewRow<'notificationTargets'>>) => ({
    query: db
      .update(targets)
      .set(change)
      .where(and(eq(targets.id, id), eq(targets.fence, fence))),
    expect: 1,
  })
  const without = ({ id }: TargetClaim, seq: number): Query =>
    db.delete(messages).where(and(eq(messages.targetId, id), lte(messages.seq, seq)))

  return {
    /** Takes a target that messages wait for, that may be tried, and that nobody holds. */
    async claim(at: Date): Promise<Target | null> {
      const isHeld = sql`${targets.leaseOwner} is not null`
      const isFree = or(
        isNull(targets.leaseOwner),
        await isLeft(database, { table: targets, held: isHeld, at }),
      )
      const isDue = or(isNull(targets.retryAt), lte(targets.retryAt, at))
      const claimed = ({ fence }: Target) => ({
        fence: fence + 1,
        leaseOwner: processId,
        leaseUntil: leaseUntil(at),
      })
      const target = await database.claim(
        (own) =>
          own
            .select()
            .from(targets)
            .where(and(gt(targets.queuedSeq, targets.sentSeq), isDue, isFree))
            .orderBy(asc(targets.id))
            .limit(1),
        (target) => [held(target, claimed(target))],
      )
      return target && { ...target, ...claimed(target) }
    },

    /** The oldest message that waits; null when none does. */
    async next({ id }: TargetClaim): Promise<Row<'notificationMessages'> | null> {
      const [message] = await db
        .select()
        .from(messages)
        .where(eq(messages.targetId, id))
        .orderBy(asc(messages.seq))
        .limit(1)
      return message ?? null
    },

    /** The endpoint has taken the message. Keeps the claim for another lease. */
    sent: (claim: TargetClaim, seq: number, at: Date) =>
      database.batch([
        held(claim, {
          sentSeq: seq,
          lastDeliveredAt: at,
          attempt: 0,
          failingSince: null,
          retryAt: null,
          lastError: null,
          leaseUntil: leaseUntil(at),
        }),
        without(claim, seq),
      ]),

    /** The message is given up. Keeps the claim for another lease. */
    dropped: (claim: TargetClaim, seq: number, at: Date) =>
      database.batch([
        held(claim, {
          sentSeq: seq,
          dropped: sql`${targets.dropped} + 1` as unknown as number, // drizzle's set() takes SQL
          leaseUntil: leaseUntil(at),
        }),
        without(claim, seq),
      ]),

    /** An attempt failed: lets go of the target until `retryAt`. */
    failed: (
      claim: TargetClaim,
      { attempt, since, retryAt, message }: { attempt: number; since: Date; retryAt: Date; message: string },
    ) =>
      database.batch([
        held(claim, { ...RELEASED, attempt, failingSince: since, retryAt, lastError: message }),
      ]),

    release: (claim: TargetClaim) => database.batch([held(claim, RELEASED)]),
  }
}
