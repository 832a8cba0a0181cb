// What the gateway keeps about itself: who changed what, and what its runs have come to.
import type { AuditOutcome, RunStatus } from '../domain/model.ts'
import type { Kit } from './kit.ts'
import { columnsOf } from './tables-common.ts'

export function operationsTables(kit: Kit) {
  const { counter } = columnsOf(kit)
  /** Append-only; each line carries the hash of the one before. `audit-line.ts` says what is hashed. */
  const auditLog = kit.table(
    'audit_log',
    {
      /** From 1, without gaps. */
      seq: kit.bigint('seq').primaryKey(),
      at: kit.timestamp('at').notNull(),
      /** Null for what concerns the whole installation. */
      sandboxId: kit.text('sandbox_id'),
      tokenId: kit.text('token_id').notNull(),
      tokenName: kit.text('token_name').notNull(),
      /** The mutation, route or command. */
      operation: kit.text('operation').notNull(),
      /** The name that the client gave to the operation. */
      clientOperation: kit.text('client_operation'),
      targetType: kit.text('target_type'),
      targetId: kit.text('target_id'),
      /** JSON as text: a column of JSON would give it back in another order, and the hash would not fit. */
      before: kit.text('before'),
      after: kit.text('after'),
      outcome: kit.text('outcome').$type<AuditOutcome>().notNull(),
      /** Between commas: why it was refused. */
      codes: kit.text('codes').notNull(),
      requestId: kit.text('request_id').notNull(),
      previousHash: kit.text('previous_hash').notNull(),
      hash: kit.text('hash').notNull(),
    },
    (t) => [
      kit.index('audit_log_sandbox').on(t.sandboxId, t.seq),
      kit.index('audit_log_at').on(t.at, t.seq),
      kit.index('audit_log_target').on(t.targetId, t.seq),
    ],
  )

  /** Sums over the runs that have ended, for good: runs may expire, these do not. */
  const runTotals = kit.table(
    'run_totals',
    {
      sandboxId: kit.text('sandbox_id').notNull(),
      status: kit.text('status').$type<RunStatus>().notNull(),
      /** Which of the durations that `run-totals.ts` lists they took at most. */
      bucket: kit.int('bucket').notNull(),
      runs: counter('runs'),
      rows: counter('rows'),
      bytes: counter('bytes'),
      milliseconds: counter('milliseconds'),
    },
    (t) => [kit.primaryKey({ columns: [t.sandboxId, t.status, t.bucket] })],
  )

  /** What gateways on one database have counted in a window of time, each for itself; forgotten soon after. */
  const rateCounts = kit.table(
    'rate_counts',
    {
      endsAt: kit.timestamp('ends_at').notNull(),
      /** A hash: addresses of people are not kept. */
      key: kit.text('key').notNull(),
      gateway: kit.text('gateway').notNull(),
      count: kit.int('count').notNull(),
    },
    (t) => [kit.primaryKey({ columns: [t.endsAt, t.key, t.gateway] })],
  )
  return { auditLog, runTotals, rateCounts }
}
