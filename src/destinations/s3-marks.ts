// Whose an unfinished upload is. Stores list uploads by key alone: not by metadata, and another run may be uploading
// under the same key. So every upload has two small pieces whose numbers and sizes say which run and which claim it is
// of; they are never completed, and go when the upload ends. (Swift keeps their two kilobytes among its segments.)
//
// Some stores take no more than 1,000 pieces, and some only pieces that are numbered from 1 on without a gap. So the
// marks have the last numbers below that; an upload that needs those gets its marks again at the very end first.
import { createHash } from 'node:crypto'

/** After these piece numbers the marks begin: of most uploads, and of very large ones. */
export const MARKS_AFTER = { most: 900, large: 9_900 } as const
const MOST_FENCE = 98
const RUN_MARK = 100
const SIZES = 1_024

export interface Mark {
  number: number
  bytes: number
}

/** The one's number has the claim's fencing token; both sizes have the run, 20 bits of its hash. */
export function marksOf(runId: string, fence: number, after: number): [Mark, Mark] {
  const hash = createHash('sha256').update(runId).digest()
  const size = (at: number) => 1 + (hash.readUInt16BE(at) % SIZES)
  return [
    { number: after + 1 + Math.min(fence, MOST_FENCE), bytes: size(0) },
    { number: after + RUN_MARK, bytes: size(2) },
  ]
}

/** Whether all of an upload's pieces from the place of the marks on are marks. */
export function areMarks(pieces: readonly Mark[]): boolean {
  return pieces.every(({ number, bytes }) => number <= MARKS_AFTER.most + RUN_MARK && bytes <= SIZES)
}

/**
 * Whether an upload with these marks is of a claim of the run, of this fencing token or an older one. One mark of the
 * two is enough: the claim may have been killed between them.
 */
export function isOfRun(marks: readonly Mark[], { runId, fence }: { runId: string; fence: number }): boolean {
  const after = (marks[0]?.number ?? 0) > MARKS_AFTER.large ? MARKS_AFTER.large : MARKS_AFTER.most
  const [ofClaim, ofRun] = marksOf(runId, fence, after)
  return (
    marks.length > 0 &&
    marks.every(({ number, bytes }) =>
      number === ofRun.number ? bytes === ofRun.bytes : bytes === ofClaim.bytes && number <= ofClaim.number,
    )
  )
}
