// Writes the audit log: lines go along with the batch that they speak of, or alone. One chain over the whole
// installation. Several processes may append: the sequence is unique, and whoever was slower appends after the other.
import { setTimeout as sleep } from 'node:timers/promises'
import { desc } from 'drizzle-orm'
import { Unavailable } from '../domain/errors.ts'
import type { Clock } from '../domain/ports.ts'
import type { AuditedChange } from './audit-change.ts'
import { type AuditLine, type AuditPlace, BEGINNING, nextLine } from './audit-line.ts'
import type { Database, Write } from './database.ts'
import { type Actor, currentDeed, type Ending } from './deed.ts'

export interface AuditTrail {
  /** A line of its own, for what no batch is written for. Many at once are written together. */
  append(entry: AuditEntry): Promise<void>
  /** The same together with writes; gives the rows that those touched. */
  write(writes: readonly Write[], entry: AuditEntry): Promise<number[]>
}
export interface AuditEntry extends Ending {
  actor: Actor
  change: (Pick<AuditedChange, 'id'> & Partial<AuditedChange>) | null
}

const MAX_ATTEMPTS = 50
const MAX_AT_ONCE = 100
const MAX_TEXT = 255
export const DONE: Ending = { outcome: 'DONE', codes: [] }

/** The trail, and the database whose batches leave lines in it when they are written for a deed. */
export function auditTrail(database: Database, clock: Clock): { trail: AuditTrail; database: Database } {
  const { db, tables } = database
  /** The newest line, as far as this process knows. */
  let head: AuditPlace | null = null
  let last: Promise<unknown> = Promise.resolve()
  const waiting: { entry: AuditEntry; written: PromiseWithResolvers<void> }[] = []

  const readHead = async (): Promise<AuditPlace> => {
    const { seq, hash } = tables.auditLog
    const [line] = await db.select({ seq, hash }).from(tables.auditLog).orderBy(desc(seq)).limit(1)
    return line ?? BEGINNING
  }
  const writeOnce = async (writes: readonly Write[], entries: readonly AuditEntry[]): Promise<number[]> => {
    let place = head ?? (await readHead())
    const lines = entries.map((entry) => {
      const line = nextLine(place, openLine(entry, clock()))
      place = line
      return db.insert(tables.auditLog).values(line)
    })
    const counts = await database.batch([...writes, ...lines])
    head = { seq: place.seq, hash: place.hash }
    return counts.slice(0, writes.length)
  }
  const writeAll = async (writes: readonly Write[], entries: readonly AuditEntry[]): Promise<number[]> => {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
      try {
        return await writeOnce(writes, entries)
      } catch (error) {
        head = null
        // Another process has appended since.
        if (database.violatedTable(error) !== 'audit_log') throw error
        await sleep(Math.random() * attempt)
      }
    }
    throw new Unavailable('The audit log is busy. Try again in a few seconds.')
  }
  /** One after the other: two of this process would only be in each other's way. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work)
    last = turn.catch(() => {})
    return turn
  }
  const writeWaiting = async () => {
    const taken = waiting.splice(0, MAX_AT_ONCE)
    if (taken.length === 0) return
    try {
      await writeAll(
        [],
        taken.map(({ entry }) => entry),
      )
      for (const { written } of taken) written.resolve()
    } catch (error) {
      for (const { written } of taken) written.reject(error)
    }
  }
  const trail: AuditTrail = {
    append(entry) {
      const written = Promise.withResolvers<void>()
      waiting.push({ entry, written })
      void inTurn(writeWaiting)
      return written.promise
    },
    write: (writes, entry) => inTurn(() => writeAll(writes, [entry])),
  }

  return {
    trail,
    database: {
      ...database,
      async batch(writes) {
        const deed = currentDeed()
        if (!deed?.change) return database.batch(writes)
        const { actor, change } = deed
        const counts = await trail.write(writes, { ...DONE, actor, change })
        deed.change = null
        deed.lines += 1
        return counts
      },
    },
  }
}

function openLine(entry: AuditEntry, at: Date): Omit<AuditLine, 'seq' | 'previousHash' | 'hash'> {
  const { session, operation, clientOperation, requestId } = entry.actor
  const { type = null, id = null, before = null, after = null } = entry.change ?? {}
  return {
    at,
    sandboxId: session.sandbox?.id ?? null,
    tokenId: session.tokenId,
    tokenName: session.name.slice(0, MAX_TEXT).toWellFormed(),
    operation,
    clientOperation: clientOperation?.slice(0, MAX_TEXT) ?? null,
    targetType: type,
    targetId: id,
    before,
    after,
    outcome: entry.outcome,
    codes: [...new Set(entry.codes)].join(','),
    requestId,
  }
}
