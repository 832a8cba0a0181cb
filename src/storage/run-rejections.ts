// What a run rejects, written and forgotten by whoever holds the run. In slices, since there may be as many as profiles.
import { and, asc, eq, gt, lte, sql } from 'drizzle-orm'
import type { ProfileCheckpoint, RejectionReason } from '../domain/model.ts'
import type { Clock } from '../domain/ports.ts'
import type { Database, ExpectingQuery, RowsWrite } from './database.ts'
import { leaseUntil } from './lease.ts'
import type { Change, Claim, RunStatuses } from './run-lease.ts'

export interface Rejected {
  profileId: number
  reason: RejectionReason
  detail: string | null
}
type Held = (claim: Claim, change: Change, status?: RunStatuses) => ExpectingQuery

export function runRejections(database: Database, held: Held) {
  const { db, tables } = database
  const { rejections } = tables
  const insertRejected = ({ runId }: Claim, rejected: readonly Rejected[]): RowsWrite => ({
    into: 'rejections',
    columns: ['run_id', 'profile_id', 'reason', 'detail'],
    rows: rejected.map(({ profileId, reason, detail }) => [runId, profileId, reason, detail]),
  })

  return {
    /**
     * Forgets the rejections after a checkpoint: the profiles there are looked at again.
     */
    async forgetRejections(claim: Claim, options: { afterProfileId: number; clock: Clock }): Promise<void> {
      const { afterProfileId, clock } = options
      for (;;) {
        const [next] = await db.select({ upTo: sql<number | null>`max(profile_id)` }).from(
          db
            .select({ profileId: rejections.profileId })
            .from(rejections)
            .where(and(eq(rejections.runId, claim.runId), sql`${rejections.profileId} > ${afterProfileId}`))
            .orderBy(asc(rejections.profileId))
            .limit(2_000)
            .as('slice'),
        )
        if (next?.upTo == null) return
        await database.batch([
          held(claim, { leaseUntil: leaseUntil(clock()) }),
          db
            .delete(rejections)
            .where(
              and(
                eq(rejections.runId, claim.runId),
                sql`${rejections.profileId} > ${afterProfileId}`,
                lte(rejections.profileId, next.upTo),
              ),
            ),
        ])
      }
    },

    /** Takes over what an earlier run rejected up to a profile, as this run's own. May be repeated. */
    async adoptRejections(
      claim: Claim,
      { from, upToProfileId, clock }: { from: string; upToProfileId: number; clock: Clock },
    ): Promise<void> {
      const { profileId, reason, detail } = rejections
      for (let last = 0; ; ) {
        const slice = await db
          .select({ profileId, reason, detail })
          .from(rejections)
          .where(and(eq(rejections.runId, from), gt(profileId, last), lte(profileId, upToProfileId)))
          .orderBy(asc(profileId))
          .limit(2_000)
        const end = slice.at(-1)
        if (!end) return
        last = end.profileId
        await database.batch([held(claim, { leaseUntil: leaseUntil(clock()) }), insertRejected(claim, slice)])
      }
    },

    /** Profiles that will not leave. Apart from the progress, since there may be very many: a few hundred at a time. */
    async reject(claim: Claim, rejected: readonly Rejected[], at: Date): Promise<void> {
      await database.batch([held(claim, { leaseUntil: leaseUntil(at) }), insertRejected(claim, rejected)])
    },

    /**
     * What was sent, and what of it was refused: together, so that neither is forgotten nor counted twice. It is
     * written down though the run is being cancelled. No event.
     */
    async sent(
      claim: Claim,
      state: { checkpoint: ProfileCheckpoint; rejected: readonly Rejected[]; at: Date },
    ): Promise<void> {
      const { checkpoint, rejected, at } = state
      await database.batch([
        held(claim, { checkpoint, leaseUntil: leaseUntil(at) }, ['PROCESSING', 'CANCELLING']),
        insertRejected(claim, rejected),
      ])
    },
  }
}
