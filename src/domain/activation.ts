// What an ad-hoc activation asks for, and how it is refused.
import type {
  AccountStatus,
  DataflowState,
  DestinationStatus,
  MappingStatus,
  Schedule,
  SegmentStatus,
} from './model.ts'

export interface ActivateInput {
  activations: readonly { dataflowId: string; segmentIds: readonly string[] }[]
  /** The same key with the same input gives the first answer again, for 24 hours. */
  idempotencyKey?: string | null | undefined
}

interface Refused<Code extends string> {
  code: Code
  /** A sentence that says what to do. */
  message: string
  /** Leads into the input, e.g. ["input", "activations", "0", "segmentIds", "3"]. */
  path: string[]
}
export type PlainCode =
  | 'NOT_BATCH_DESTINATION'
  | 'DATAFLOW_DISABLED'
  | 'DESTINATION_DISABLED'
  | 'ACCOUNT_NOT_CONNECTED'
  | 'CONSENT_MISSING'
  | 'NO_SNAPSHOT'
  | 'NOT_FOUND'
  | 'IDEMPOTENCY_CONFLICT'
  | 'INVALID_INPUT'
export type ActivationError =
  | (Refused<'TOO_MANY_SEGMENTS'> & { limit: number; requested: number })
  | (Refused<'RUN_IN_PROGRESS' | 'SCHEDULED_RUN_IN_PROGRESS'> & { runId: string })
  | (Refused<'SEGMENT_NOT_MAPPED' | 'OUTSIDE_SCHEDULE'> & { segmentId: string; dataflowId: string })
  | (Refused<'TOO_SOON'> & { allowedFrom: Date })
  | Refused<PlainCode>
export type ActivationErrorCode = ActivationError['code']

/** One segment through one dataflow; `path` is where the input names the segment first. */
export interface Order {
  dataflowId: string
  segmentId: string
  path: string[]
}
/** The input without its repetitions: a dataflow listed twice has one entry, a pair one order. */
export interface ActivationRequest {
  dataflows: { dataflowId: string; path: string[] }[]
  orders: Order[]
  /** Paths of the lists that name no segment. */
  emptyLists: string[][]
  /** Entries and ids as they were sent, repetitions included. */
  entryCount: number
  idCount: number
}

/** What the guardrails look at. A dataflow, segment or mapping that the caller may not know of is not in the maps. */
export interface ActivationFacts {
  request: ActivationRequest
  dataflows: ReadonlyMap<string, DataflowFacts>
  segments: ReadonlyMap<string, SegmentFacts>
  /** By pairKey. */
  mappings: ReadonlyMap<string, MappingFacts>
  /** Active ad-hoc runs by segment, and active scheduled runs by dataflow. */
  adHocRuns: ReadonlyMap<string, ActiveRun>
  scheduledRuns: ReadonlyMap<string, ActiveRun>
  /** By pairKey: a field that the destination requires, and that no profile of the segment would fill. */
  unfilled: ReadonlyMap<string, UnfilledField>
  now: Date
  limits: ActivationLimits
}
export interface UnfilledField {
  /** What the destination calls it. */
  target: string
  /** The attribute that was to fill it. */
  source: string
}
export interface ActivationLimits {
  maxSegmentsPerActivation: number
}
export interface DataflowFacts {
  name: string
  state: DataflowState
  destination: {
    name: string
    type: string
    status: DestinationStatus
    /** Null when this gateway has no such driver. */
    driver: { allowsAdHoc: boolean; needsAccount: boolean } | null
    account: { name: string; status: AccountStatus; consentAt: Date | null } | null
    /** What the driver sees is wrong with the settings beside the account, as a sentence. */
    misfit: string | null
  }
}
export interface SegmentFacts {
  name: string
  status: SegmentStatus
  snapshot: object | null
}
export interface MappingFacts {
  elementStatus: MappingStatus
  schedule: Schedule
  adHocAllowedFrom: Date
}
export interface ActiveRun {
  id: string
  dataflowId: string
  segmentId: string
}

export const pairKey = (dataflowId: string, segmentId: string): string =>
  JSON.stringify([dataflowId, segmentId])

/** Takes the repetitions out of an input and keeps where each thing was named first. */
export function readRequest(input: ActivateInput): ActivationRequest {
  const dataflows = new Map<string, { dataflowId: string; path: string[] }>()
  const orders = new Map<string, Order>()
  const emptyLists: string[][] = []
  let idCount = 0
  for (const [index, { dataflowId, segmentIds }] of input.activations.entries()) {
    const entry = ['input', 'activations', String(index)]
    if (!dataflows.has(dataflowId)) {
      dataflows.set(dataflowId, { dataflowId, path: [...entry, 'dataflowId'] })
    }
    if (segmentIds.length === 0) emptyLists.push([...entry, 'segmentIds'])
    idCount += segmentIds.length
    for (const [position, segmentId] of segmentIds.entries()) {
      const key = pairKey(dataflowId, segmentId)
      if (orders.has(key)) continue
      orders.set(key, { dataflowId, segmentId, path: [...entry, 'segmentIds', String(position)] })
    }
  }
  return {
    dataflows: [...dataflows.values()],
    orders: [...orders.values()],
    emptyLists,
    entryCount: input.activations.length,
    idCount,
  }
}

/** One text for all inputs that ask for the same: what an idempotency key is bound to. */
export function canonicalRequest(request: ActivationRequest): string {
  return JSON.stringify(request.orders.map((order) => pairKey(order.dataflowId, order.segmentId)).sort())
}
