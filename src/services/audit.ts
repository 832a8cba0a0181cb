// Who changed what: begins the deeds that leave lines in the audit log, reads it, and checks it.
import { authorize, type Session } from '../domain/access.ts'
import { Refusal } from '../domain/errors.ts'
import type { AuditOutcome } from '../domain/model.ts'
import type { Logger } from '../domain/ports.ts'
import { type AuditFilter, auditStore } from '../storage/audit.ts'
import { type ChangedNoun, changeOf } from '../storage/audit-change.ts'
import { type AuditLine, type AuditPlace, BEGINNING, CUT, hashOf } from '../storage/audit-line.ts'
import type { AuditTrail } from '../storage/audit-trail.ts'
import type { Database } from '../storage/database.ts'
import { type Actor, asDeed } from '../storage/deed.ts'
import type { Paging } from '../storage/paging.ts'

export type AuditService = ReturnType<typeof auditService>

/** What the codes of a deed are found in. */
export interface Verdicts<T> {
  ofValue(value: T): readonly string[]
  ofError(error: unknown): readonly string[]
}
/** Where the log does not hold together. */
export interface BrokenChain {
  seq: number
  problem: 'CHANGED' | 'MISSING' | 'CUT'
}
export interface ChainReport {
  lines: number
  /** Of the lines that are there; null of an empty log. */
  oldest: AuditPlace | null
  newest: AuditPlace | null
  /** The first place that does not hold; null: everything does. */
  broken: BrokenChain | null
}

const PAGE = 500

export function auditService({
  database,
  trail,
  log,
}: {
  database: Database
  trail: AuditTrail
  log: Logger
}) {
  const store = auditStore(database)
  /** What was done is done, and what was refused stays so, when the line cannot be written. */
  const append: AuditTrail['append'] = (entry) =>
    trail.append(entry).catch((error: unknown) => {
      log.error({ error, operation: entry.actor.operation }, 'a line of the audit log could not be written')
    })

  return {
    /**
     * Does what may change something. What changes in a batch has its line in there; what changes nothing, or is
     * refused, gets one afterwards. `target`: what it is about, as far as that is known before.
     */
    during<T>(
      actor: Actor,
      { target, codes }: { target: string | null; codes: Verdicts<T> },
      work: () => Promise<T>,
    ): Promise<T> {
      return asDeed(actor, work, async ({ lines, change }, done) => {
        if (lines > 0) return
        const why = 'error' in done ? codes.ofError(done.error) : codes.ofValue(done.value as T)
        const outcome: AuditOutcome = why.length > 0 ? 'REFUSED' : 'DONE'
        // What was to be made is not there, and has no id.
        const meant = change && change.before !== null ? { type: change.type, id: change.id } : null
        const about = meant ?? (target === null ? null : { id: target })
        await append({ actor, change: about, outcome, codes: why })
      })
    },

    /** A line for what was refused before it began. */
    record: append,

    /**
     * Does what is not one batch, between a line that says so and one with how it ended. Where the first cannot be
     * written, it does not begin.
     */
    async throughout<T>(
      actor: Actor,
      about: { type: ChangedNoun; id: string },
      work: () => Promise<T>,
      summary: (value: T) => { after: object; isInterrupted?: boolean },
    ): Promise<T> {
      await trail.append({ actor, change: about, outcome: 'STARTED', codes: [] })
      let value: T
      try {
        value = await work()
      } catch (error) {
        const isRefused = error instanceof Refusal
        const codes = isRefused ? error.errors.map(({ code }) => code) : []
        await append({ actor, change: about, outcome: isRefused ? 'REFUSED' : 'INTERRUPTED', codes })
        throw error
      }
      const { after, isInterrupted = false } = summary(value)
      const change = changeOf(about.type, about.id, { before: null, after })
      await append({ actor, change, outcome: isInterrupted ? 'INTERRUPTED' : 'DONE', codes: [] })
      return value
    },

    /** Newest first; administrators only. @throws Refusal for bad paging or too long a filter */
    async page(session: Session, options: Paging & { filter?: AuditFilter | null | undefined }) {
      authorize(session, 'audit:read')
      return store.page({ sandboxId: session.sandbox.id, ...options })
    },

    /** Reads the whole log, and tells the first place where it was changed. */
    async verify(): Promise<ChainReport> {
      const report: ChainReport = { lines: 0, oldest: null, newest: null, broken: null }
      let cut: AuditPlace | null = null
      for (;;) {
        const page = await store.linesAfter(report.newest?.seq ?? 0, PAGE)
        for (const line of page) {
          report.oldest ??= { seq: line.seq - 1, hash: line.previousHash }
          const problem = problemOf(line, report.newest ?? report.oldest)
          report.broken ??= problem && { seq: line.seq, problem }
          cut = cutIn(line) ?? cut
          report.newest = { seq: line.seq, hash: line.hash }
          report.lines += 1
        }
        if (page.length < PAGE) break
      }
      if (report.oldest && !isKnownEnd(report.oldest, cut)) {
        report.broken ??= { seq: report.oldest.seq + 1, problem: 'CUT' }
      }
      return report
    },
  }
}

function problemOf(line: AuditLine, before: AuditPlace): BrokenChain['problem'] | null {
  if (line.seq !== before.seq + 1) return 'MISSING'
  const { hash, ...said } = line
  return line.previousHash === before.hash && hashOf(said) === hash ? null : 'CHANGED'
}

/** Which lines the clean-up was to take away, by a line of its own. */
function cutIn({ operation, after }: AuditLine): AuditPlace | null {
  if (operation !== CUT || after === null) return null
  const { upToSeq, upToHash } = JSON.parse(after)
  return { seq: upToSeq, hash: upToHash }
}

/** The log begins where it always did, where the clean-up has cut it, or before that while it still is at work. */
function isKnownEnd(end: AuditPlace, cut: AuditPlace | null): boolean {
  if (end.seq === BEGINNING.seq) return end.hash === BEGINNING.hash
  if (!cut || end.seq > cut.seq) return false
  return end.seq < cut.seq || end.hash === cut.hash
}
