// The audit log as it is read, checked, and cut at its old end.
import { and, asc, desc, gt, lt, lte, sql } from 'drizzle-orm'
import type { AuditOutcome } from '../domain/model.ts'
import type { AuditLine, AuditPlace } from './audit-line.ts'
import type { Database, Query } from './database.ts'
import { before, is, isAmong, since } from './filter.ts'
import { type Paging, selectPage } from './paging.ts'
import { type Condition, reader } from './read.ts'

/** Conditions that must all hold. Absent and null do not filter. */
export interface AuditFilter {
  operations?: string[] | null | undefined
  outcomes?: AuditOutcome[] | null | undefined
  tokenId?: string | null | undefined
  targetId?: string | null | undefined
  /** Inclusive. */
  after?: Date | null | undefined
  /** Exclusive. */
  before?: Date | null | undefined
}

export function auditStore(database: Database) {
  const { db, tables } = database
  const { auditLog } = tables
  const read = reader(database, auditLog, { counts: 'aside' })
  /** The lines of a sandbox, and those that concern the whole installation. */
  const isFor = (sandboxId: string): Condition => ({
    name: 'audit of sandbox',
    values: [sandboxId],
    sql: ([bound]) => sql`(${auditLog.sandboxId} = ${bound} or ${auditLog.sandboxId} is null)`,
  })
  const id = (
    column: typeof auditLog.tokenId | typeof auditLog.targetId,
    value: string | null | undefined,
  ) => (value == null ? undefined : is(column, value))

  return {
    /** Newest first. @throws Refusal for bad paging or too long a filter */
    async page({
      sandboxId,
      filter,
      ...paging
    }: Paging & { sandboxId: string; filter?: AuditFilter | null | undefined }) {
      const where = [
        isFor(sandboxId),
        isAmong({ column: auditLog.operation, values: filter?.operations, name: 'operations' }),
        isAmong({ column: auditLog.outcome, values: filter?.outcomes, name: 'outcomes' }),
        id(auditLog.tokenId, filter?.tokenId),
        id(auditLog.targetId, filter?.targetId),
        since(auditLog.at, filter?.after),
        before(auditLog.at, filter?.before),
      ]
      const order = { name: 'SEQ', column: auditLog.seq, tie: auditLog.seq, direction: 'DESC' as const }
      return selectPage({ reader: read, where, order, ...paging })
    },

    linesAfter: (seq: number, limit: number): Promise<AuditLine[]> =>
      db.select().from(auditLog).where(gt(auditLog.seq, seq)).orderBy(asc(auditLog.seq)).limit(limit),

    /** The newest line that was written before a moment; the newest of all is never given. */
    async lastBefore(moment: Date): Promise<AuditPlace | null> {
      const { seq, hash } = auditLog
      const isOld = and(
        lt(auditLog.at, moment),
        lt(seq, db.select({ newest: sql`max(${seq})` }).from(auditLog)),
      )
      const [line] = await db
        .select({ seq, hash })
        .from(auditLog)
        .where(isOld)
        .orderBy(desc(auditLog.at), desc(seq))
        .limit(1)
      return line ?? null
    },

    /** Deletes the oldest lines, `limit` of them at most, and none after a place. */
    deleteUpTo(seq: number, limit: number): Query {
      const oldest = db
        .select({ seq: auditLog.seq })
        .from(auditLog)
        .where(lte(auditLog.seq, seq))
        .orderBy(asc(auditLog.seq))
        .limit(limit)
      return db.delete(auditLog).where(sql`${auditLog.seq} in ${oldest}`)
    },
  }
}
