// Cursors of the logs that clients follow: a run's, and a destination's mapping changes.
import { invalid, Refusal } from '../domain/errors.ts'

/** An opaque place in the log of one owner: a run, or a destination. */
export function encodeLogCursor(ownerId: string, seq: number): string {
  return Buffer.from(`${ownerId}:${seq}`).toString('base64url')
}

/** The sequence number in a cursor. @throws Refusal INVALID_INPUT for anything that is not a cursor of this log */
export function decodeLogCursor(cursor: string, ownerId: string): number {
  const match = /^(\w{1,100}):(\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString('utf8'))
  if (match?.[1] !== ownerId) throw notOfThisLog()
  return Number(match[2])
}

export const notOfThisLog = (): Refusal =>
  new Refusal(invalid(['after'], 'after is not a cursor of this stream.'))
