// The guardrails of ad-hoc activation: small pure functions over facts, each of which gives its violations.
// A new one is a function and a line in a list. All of them run, so that a caller mends everything at once.
import {
  type ActivationError,
  type ActivationFacts,
  type DataflowFacts,
  type MappingFacts,
  type Order,
  pairKey,
} from './activation.ts'
import { plain, requestViolations } from './activation-input.ts'
import { notFound } from './errors.ts'
import { isInsideSchedule } from './slots.ts'

type Guardrail = (facts: ActivationFacts) => ActivationError[]

const ON_FACTS: Guardrail[] = [
  dataflowExists,
  segmentExists,
  dataflowEnabled,
  destinationTakesFiles,
  destinationEnabled,
  accountConnected,
  consentGiven,
  settingsFit,
  segmentMapped,
  insideSchedule,
  notTooSoon,
  segmentActive,
  snapshotExists,
  requiredFieldsFilled,
  noRunInProgress,
  noScheduledRunInProgress,
]
/** A retry repeats what was allowed once: its snapshot is pinned, and the wait and the schedule were passed. */
const ON_RETRY: Guardrail[] = [
  dataflowExists,
  segmentExists,
  dataflowEnabled,
  destinationTakesFiles,
  destinationEnabled,
  accountConnected,
  consentGiven,
  settingsFit,
  segmentMapped,
  noRunInProgress,
  noScheduledRunInProgress,
]
/** What keeps the run of a slot from being made; what is disabled has no slots. */
const ON_SLOT: Guardrail[] = [
  destinationKnown,
  accountConnected,
  consentGiven,
  settingsFit,
  notOver,
  segmentActive,
  snapshotExists,
  requiredFieldsFilled,
]

/** Every reason why these segments may not be sent now; empty when they may. */
export function violations(facts: ActivationFacts): ActivationError[] {
  return [
    ...requestViolations(facts.request, facts.limits),
    ...ON_FACTS.flatMap((guardrail) => guardrail(facts)),
  ]
}

/** Every reason why an earlier run may not be repeated now. */
export function retryViolations(facts: ActivationFacts): ActivationError[] {
  return ON_RETRY.flatMap((guardrail) => guardrail(facts))
}

/** Every reason why the run of a slot cannot be made. */
export function slotViolations(facts: ActivationFacts): ActivationError[] {
  return ON_SLOT.flatMap((guardrail) => guardrail(facts))
}

// ------------------------------------------------------------ dataflow, destination, account

function dataflowExists({ request, dataflows }: ActivationFacts): ActivationError[] {
  return request.dataflows
    .filter(({ dataflowId }) => !dataflows.has(dataflowId))
    .map(({ dataflowId, path }) => plain('NOT_FOUND', path, notFound('dataflow', dataflowId, path).message))
}

function dataflowEnabled(facts: ActivationFacts): ActivationError[] {
  return forDataflows(facts, ({ name, state }, path) =>
    state === 'ENABLED'
      ? null
      : plain('DATAFLOW_DISABLED', path, `Dataflow ${quoted(name)} is disabled. Enable it, then try again.`),
  )
}

function destinationTakesFiles(facts: ActivationFacts): ActivationError[] {
  return forDataflows(facts, ({ destination: { name, type, driver } }, path) => {
    if (driver?.allowsAdHoc) return null
    const message = driver
      ? `Destination ${quoted(name)} is of type ${type}, which takes no ad-hoc activation. Use a dataflow whose destination is file-based.`
      : `Destination ${quoted(name)} is of type ${type}, which this gateway does not know. Use a dataflow with another destination.`
    return plain('NOT_BATCH_DESTINATION', path, message)
  })
}

function destinationKnown(facts: ActivationFacts): ActivationError[] {
  return forDataflows(facts, ({ destination: { name, type, driver } }, path) => {
    if (driver) return null
    const message = `Destination ${quoted(name)} is of type ${type}, which this gateway does not know. Give the dataflow another destination.`
    return plain('NOT_BATCH_DESTINATION', path, message)
  })
}

function destinationEnabled(facts: ActivationFacts): ActivationError[] {
  return forDataflows(facts, ({ destination: { name, status } }, path) => {
    if (status === 'ENABLED') return null
    const message =
      status === 'REMOVED'
        ? `Destination ${quoted(name)} was removed. Use a dataflow with another destination.`
        : `Destination ${quoted(name)} is disabled. Set its status to ENABLED, then try again.`
    return plain('DESTINATION_DISABLED', path, message)
  })
}

function accountConnected(facts: ActivationFacts): ActivationError[] {
  return forDataflows(facts, ({ destination: { name, driver, account } }, path) => {
    if (!driver?.needsAccount || account?.status === 'CONNECTED') return null
    const message = account
      ? `The account ${quoted(account.name)} is ${account.status}. ${account.status === 'REMOVED' ? `Give the destination ${quoted(name)} another one` : 'Verify it'}, then try again.`
      : `Destination ${quoted(name)} needs an account. Give it one, then try again.`
    return plain('ACCOUNT_NOT_CONNECTED', path, message)
  })
}

function consentGiven(facts: ActivationFacts): ActivationError[] {
  return forDataflows(facts, ({ destination: { driver, account } }, path) => {
    if (!driver?.needsAccount || !account || account.consentAt) return null
    const message = `Nobody has agreed that personal data leaves through the account ${quoted(account.name)}. Record the agreement on the account, then try again.`
    return plain('CONSENT_MISSING', path, message)
  })
}

function settingsFit(facts: ActivationFacts): ActivationError[] {
  return forDataflows(facts, ({ destination: { name, misfit } }, path) => {
    if (misfit === null) return null
    return plain('INVALID_INPUT', path, `Destination ${quoted(name)} cannot be sent to. ${misfit}`)
  })
}

// ------------------------------------------------------------ mapping

function segmentMapped(facts: ActivationFacts): ActivationError[] {
  return forPairs(facts, ({ order, segmentName, mapping }) => {
    if (mapping) return null
    return { code: 'SEGMENT_NOT_MAPPED', ...notInDataflow(order, segmentName) }
  })
}

function insideSchedule(facts: ActivationFacts): ActivationError[] {
  return forPairs(facts, ({ order, segmentName, mapping }) => {
    if (!mapping || isInsideSchedule(mapping.schedule, facts.now)) return null
    return { code: 'OUTSIDE_SCHEDULE', ...notInDataflow(order, segmentName) }
  })
}

/** A slot may be dealt with late: after the end of the schedule nothing is sent any more. */
function notOver(facts: ActivationFacts): ActivationError[] {
  return forPairs(facts, ({ order, segmentName, mapping }) => {
    if (!mapping || isInsideSchedule(mapping.schedule, facts.now)) return null
    const message = `The schedule of segment ${quoted(segmentName)} has ended since. Activate the segment under a schedule with a later end, if it should still be sent.`
    const { segmentId, dataflowId, path } = order
    return { code: 'OUTSIDE_SCHEDULE', message, path, segmentId, dataflowId }
  })
}

function notTooSoon(facts: ActivationFacts): ActivationError[] {
  return forPairs(facts, ({ order, segmentName, mapping }) => {
    if (!mapping || facts.now >= mapping.adHocAllowedFrom) return null
    const { adHocAllowedFrom: allowedFrom } = mapping
    const message = `Segment ${quoted(segmentName)} was mapped only just now. Activate it from ${allowedFrom.toISOString()} on.`
    return { code: 'TOO_SOON', message, path: order.path, allowedFrom }
  })
}

// ------------------------------------------------------------ segment

function segmentExists(facts: ActivationFacts): ActivationError[] {
  return facts.request.orders
    .filter(({ segmentId }) => !facts.segments.has(segmentId))
    .map(({ segmentId, path }) => plain('NOT_FOUND', path, notFound('segment', segmentId, path).message))
}

function segmentActive(facts: ActivationFacts): ActivationError[] {
  return facts.request.orders.flatMap(({ segmentId, path }) => {
    const segment = facts.segments.get(segmentId)
    // A deleted segment is in no dataflow any more, which segmentMapped says.
    if (!segment || segment.status === 'ACTIVE' || segment.status === 'DELETED') return []
    const message = `Segment ${quoted(segment.name)} is ${segment.status}. Set its status to ACTIVE, then try again.`
    return [plain('INVALID_INPUT', path, message)]
  })
}

function snapshotExists(facts: ActivationFacts): ActivationError[] {
  return facts.request.orders.flatMap(({ segmentId, path }) => {
    const segment = facts.segments.get(segmentId)
    if (!segment || segment.snapshot) return []
    const message = `Segment ${quoted(segment.name)} was never evaluated. Evaluate it, then try again.`
    return [plain('NO_SNAPSHOT', path, message)]
  })
}

/** A run of which the destination takes nobody is none. */
function requiredFieldsFilled(facts: ActivationFacts): ActivationError[] {
  return facts.request.orders.flatMap(({ dataflowId, segmentId, path }) => {
    const unfilled = facts.unfilled.get(pairKey(dataflowId, segmentId))
    if (!unfilled) return []
    const name = facts.segments.get(segmentId)?.name ?? segmentId
    const message = `The destination needs the field ${unfilled.target}, and no profile of segment ${quoted(name)} has the attribute ${unfilled.source} that is mapped to it. Map another attribute, or use another segment.`
    return [plain('INVALID_INPUT', path, message)]
  })
}

// ------------------------------------------------------------ runs

function noRunInProgress(facts: ActivationFacts): ActivationError[] {
  return facts.request.orders.flatMap(({ segmentId, path }) => {
    const run = facts.adHocRuns.get(segmentId)
    if (!run) return []
    const message = `Run already going on for segment ${run.segmentId} for order ${run.dataflowId} with run id ${run.id}`
    return [{ code: 'RUN_IN_PROGRESS', message, path, runId: run.id }]
  })
}

function noScheduledRunInProgress(facts: ActivationFacts): ActivationError[] {
  return facts.request.dataflows.flatMap(({ dataflowId, path }) => {
    const run = facts.scheduledRuns.get(dataflowId)
    if (!run) return []
    const message = `The scheduled run ${run.id} of dataflow ${dataflowId} is going on. Wait until it has ended, then try again.`
    return [{ code: 'SCHEDULED_RUN_IN_PROGRESS', message, path, runId: run.id }]
  })
}

// ------------------------------------------------------------ helpers

const quoted = (name: string): string => JSON.stringify(name)

const notInDataflow = ({ path, segmentId, dataflowId }: Order, segmentName: string) => ({
  message: `Segment ${segmentName} is not part of this dataflow or out of schedule range!`,
  path,
  segmentId,
  dataflowId,
})

function forDataflows(
  { request, dataflows }: ActivationFacts,
  look: (dataflow: DataflowFacts, path: string[]) => ActivationError | null,
): ActivationError[] {
  return request.dataflows.flatMap(({ dataflowId, path }) => {
    const dataflow = dataflows.get(dataflowId)
    return (dataflow && look(dataflow, path)) ?? []
  })
}

/** Looks at each order whose dataflow and segment are known; a mapping counts while it and its segment live. */
function forPairs(
  { request, dataflows, segments, mappings }: ActivationFacts,
  look: (pair: { order: Order; segmentName: string; mapping: MappingFacts | null }) => ActivationError | null,
): ActivationError[] {
  return request.orders.flatMap((order) => {
    const segment = segments.get(order.segmentId)
    if (!segment || !dataflows.has(order.dataflowId)) return []
    const found = mappings.get(pairKey(order.dataflowId, order.segmentId))
    const isLive = found?.elementStatus === 'ACTIVE' && segment.status !== 'DELETED'
    return look({ order, segmentName: segment.name, mapping: isLive ? found : null }) ?? []
  })
}
