// The guardrails that need the input of an activation alone.
import type { ActivationError, ActivationLimits, ActivationRequest, PlainCode } from './activation.ts'

const MAX_DATAFLOWS = 250
/** Beyond these, facts are not even loaded: the answer is no whatever they are. */
const MAX_IDS = 10_000
const MAX_SEGMENTS_LOADED = 1_000

type RequestGuardrail = (request: ActivationRequest, limits: ActivationLimits) => ActivationError[]
const ON_REQUEST: RequestGuardrail[] = [noEmptyList, fewDataflows, fewSegments, oneDataflowPerSegment]

/** The violations that show in the input alone. */
export function requestViolations(request: ActivationRequest, limits: ActivationLimits): ActivationError[] {
  return ON_REQUEST.flatMap((guardrail) => guardrail(request, limits))
}

/** Whether an input is so large, or so empty, that its facts are not worth loading. It then has a violation. */
export function isBeyondReason(request: ActivationRequest, limits: ActivationLimits): boolean {
  const maxSegments = Math.max(MAX_SEGMENTS_LOADED, limits.maxSegmentsPerActivation)
  const tooLarge = request.entryCount > MAX_DATAFLOWS || request.idCount > MAX_IDS
  return tooLarge || request.orders.length === 0 || segmentCount(request) > maxSegments
}

/** A violation with nothing more to say than its message. */
export const plain = (code: PlainCode, path: string[], message: string): ActivationError => ({
  code,
  message,
  path,
})

function noEmptyList({ entryCount, emptyLists }: ActivationRequest): ActivationError[] {
  if (entryCount === 0) {
    return [plain('INVALID_INPUT', ['input', 'activations'], 'Name at least one dataflow with its segments.')]
  }
  return emptyLists.map((path) =>
    plain('INVALID_INPUT', path, 'Name at least one segment for this dataflow.'),
  )
}

function fewDataflows({ entryCount }: ActivationRequest): ActivationError[] {
  if (entryCount <= MAX_DATAFLOWS) return []
  const message = `Name at most ${MAX_DATAFLOWS} dataflows in one call; this one names ${entryCount}.`
  return [plain('INVALID_INPUT', ['input', 'activations'], message)]
}

function fewSegments(request: ActivationRequest, limits: ActivationLimits): ActivationError[] {
  const path = ['input', 'activations']
  const limit = limits.maxSegmentsPerActivation
  const requested = segmentCount(request)
  if (requested > limit) {
    const message = `At most ${limit} segments go into one activation; this one names ${requested}. Split it into several calls.`
    return [{ code: 'TOO_MANY_SEGMENTS', message, path, limit, requested }]
  }
  if (request.idCount <= MAX_IDS) return []
  return [
    plain('INVALID_INPUT', path, 'Name each segment once; this input repeats itself thousands of times.'),
  ]
}

function oneDataflowPerSegment({ orders }: ActivationRequest): ActivationError[] {
  const seen = new Set<string>()
  return orders.flatMap(({ segmentId, path }) => {
    if (!seen.has(segmentId)) {
      seen.add(segmentId)
      return []
    }
    const message = `Segment ${JSON.stringify(segmentId.slice(0, 80))} is named for two dataflows. There is one ad-hoc run at a time per segment: send it in a second call.`
    return [plain('INVALID_INPUT', path, message)]
  })
}

const segmentCount = ({ orders }: ActivationRequest): number =>
  new Set(orders.map(({ segmentId }) => segmentId)).size
