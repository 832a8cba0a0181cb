// What is told of segments that could not be evaluated: in words, without SQL and without the driver's.
import { Refusal } from '../domain/errors.ts'
import type { RunFailure, SegmentFailure } from '../domain/model.ts'

interface Named {
  id: string
  name: string
}
const MAX_NAMED = 5

/** What evaluating a segment threw, unless it was the database's own trouble. */
export function failureOf(segment: Named, error: unknown): SegmentFailure {
  const failure = { segmentId: segment.id, retryable: false }
  if (error instanceof Refusal) return { ...failure, code: 'INVALID_RULE', message: error.message }
  const message = 'The rule could not be evaluated. The log of the gateway says why.'
  return { ...failure, code: 'EVALUATION_FAILED', message }
}

/** A segment whose rule names one that failed: half of the answer would be of today, the other of another day. */
export function dependsOn(segment: Named, failed: Named | undefined): SegmentFailure {
  const message = `Its rule names the segment ${JSON.stringify(failed?.name)}, which could not be evaluated.`
  return { segmentId: segment.id, code: 'DEPENDENCY_FAILED', message, retryable: false }
}

/** What the failures of a job come to; null when there is none. */
export function jobError(failures: readonly SegmentFailure[], segments: readonly Named[]): RunFailure | null {
  if (failures.length === 0) return null
  const nameOf = new Map(segments.map(({ id, name }) => [id, JSON.stringify(name)]))
  const names = failures.slice(0, MAX_NAMED).map(({ segmentId }) => nameOf.get(segmentId))
  const more = failures.length > MAX_NAMED ? ` and ${failures.length - MAX_NAMED} more` : ''
  const message = `${failures.length} of ${segments.length} segments could not be evaluated and keep the snapshot that they had: ${names.join(', ')}${more}. «failures» says why. The others have their new snapshot.`
  return { code: 'SEGMENTS_FAILED', message, retryable: false }
}
