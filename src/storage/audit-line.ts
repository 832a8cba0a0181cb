// How the lines of the audit log hang together: each one's hash covers all that it says and the hash of the one before,
// so that a line that was changed, put in or taken out shows.
import { hash } from 'node:crypto'
import type { Row } from './tables.ts'

export type AuditLine = Row<'auditLog'>
/** Where a chain ends, or is cut. */
export type AuditPlace = Pick<AuditLine, 'seq' | 'hash'>

/** Before the first line. */
export const BEGINNING: AuditPlace = { seq: 0, hash: '0'.repeat(64) }

/** The operation of the line that says up to where lines were taken away. */
export const CUT = 'auditLog.cut'

/** The line that comes after a place. */
export function nextLine(
  after: AuditPlace,
  line: Omit<AuditLine, 'seq' | 'previousHash' | 'hash'>,
): AuditLine {
  const open = { ...line, seq: after.seq + 1, previousHash: after.hash }
  return { ...open, hash: hashOf(open) }
}

/** SHA-256 over the values, as a JSON list in this order. */
export function hashOf(line: Omit<AuditLine, 'hash'>): string {
  const { seq, at, sandboxId, tokenId, tokenName, operation, clientOperation } = line
  const { targetType, targetId, before, after, outcome, codes, requestId, previousHash } = line
  const who = [tokenId, tokenName, operation, clientOperation]
  const what = [targetType, targetId, before, after, outcome, codes, requestId]
  return hash('sha256', JSON.stringify([previousHash, seq, at.toISOString(), sandboxId, ...who, ...what]))
}
