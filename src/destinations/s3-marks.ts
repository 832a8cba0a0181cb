// Whose an unfinished upload is. Stores list uploads by key alone: not by metadata, and another run may be uploading
// under the same key. So every upload has two small pieces whose numbers and sizes say which run and which claim it is
// of; they are never completed, and go when the upload ends.
import { createHash } from 'node:crypto'

/** Pieces with higher numbers are marks. */
export const LAST_PIECE = 9_000
const RUN_MARK = 10_000
const MOST_FENCE = RUN_MARK - LAST_PIECE - 2
const SIZES = 16_384

export interface Mark {
  number: number
  bytes: number
}

/** The one's number has the claim's fencing token; both sizes have the run, 28 bits of its hash. */
export function marksOf(runId: string, fence: number): [Mark, Mark] {
  const hash = createHash('sha256').update(runId).digest()
  const size = (at: number) => 1 + (hash.readUInt16BE(at) % SIZES)
  return [
    { number: LAST_PIECE + 1 + Math.min(fence, MOST_FENCE), bytes: size(0) },
    { number: RUN_MARK, bytes: size(2) },
  ]
}

/**
 * Whether an upload with these marks is of a claim of the run, of this fencing token or an older one. One mark of the
 * two is enough: the claim may have been killed between them.
 */
export function isOfRun(marks: readonly Mark[], runId: string, fence: number): boolean {
  const [ofClaim, ofRun] = marksOf(runId, fence)
  return (
    marks.length > 0 &&
    marks.every(({ number, bytes }) =>
      number === RUN_MARK ? bytes === ofRun.bytes : bytes === ofClaim.bytes && number <= ofClaim.number,
    )
  )
}
