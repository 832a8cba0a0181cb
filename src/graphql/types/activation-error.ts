import type { ActivationError, ActivationErrorCode } from '../../domain/activation.ts'
import { builder } from '../builder.ts'
import { pairFields, present, run } from '../refs.ts'

const CODES: Record<ActivationErrorCode, string> = {
  TOO_MANY_SEGMENTS: 'More segments than one activation may have. A TooManySegmentsError.',
  RUN_IN_PROGRESS: 'The segment is being sent on demand already. A RunInProgressError.',
  SCHEDULED_RUN_IN_PROGRESS: 'The dataflow is running on schedule. A RunInProgressError.',
  SEGMENT_NOT_MAPPED: 'The segment is not mapped in the dataflow. A SegmentNotInDataflowError.',
  OUTSIDE_SCHEDULE: "Today is not a day of the mapping's schedule. A SegmentNotInDataflowError.",
  TOO_SOON: 'The segment was mapped too recently. A TooSoonError.',
  NOT_BATCH_DESTINATION: 'This kind of destination takes nothing on demand.',
  DATAFLOW_DISABLED: 'The dataflow is disabled: enable it first.',
  DESTINATION_DISABLED: 'The destination is disabled or removed.',
  ACCOUNT_NOT_CONNECTED: 'The account of the destination cannot be used.',
  CONSENT_MISSING: 'Nobody has agreed that personal data leaves through the account.',
  NO_SNAPSHOT: 'The segment was never evaluated.',
  NOT_FOUND: 'No such dataflow or segment for this caller.',
  IDEMPOTENCY_CONFLICT: 'The idempotency key was used with another input.',
  INVALID_INPUT: 'A value breaks a rule that the message states.',
}
const code = builder.enumType('ActivationErrorCode', {
  description: 'Reasons why an activation is refused.',
  values: Object.fromEntries(
    Object.entries(CODES).map(([name, description]) => [name, { description }]),
  ) as Record<ActivationErrorCode, { description: string }>, // fromEntries widens the keys
})

/** One reason why an activation is refused. */
export const activationError = builder.interfaceRef<ActivationError>('ActivationError').implement({
  description: 'One reason why nothing was sent. All reasons are told at once.',
  resolveType: typeOf,
  fields: (t) => ({
    code: t.expose('code', {
      type: code,
      description: 'The kind of reason, for programs. Where a type says more, the value names it.',
    }),
    message: t.exposeString('message', { description: 'A sentence that says what to do.' }),
    path: t.exposeStringList('path', {
      description: 'Leads into the input, e.g. ["input", "activations", "0", "segmentIds", "3"].',
    }),
  }),
})

function typeOf(error: ActivationError): string {
  switch (error.code) {
    case 'TOO_MANY_SEGMENTS':
      return 'TooManySegmentsError'
    case 'RUN_IN_PROGRESS':
    case 'SCHEDULED_RUN_IN_PROGRESS':
      return 'RunInProgressError'
    case 'SEGMENT_NOT_MAPPED':
    case 'OUTSIDE_SCHEDULE':
      return 'SegmentNotInDataflowError'
    case 'TOO_SOON':
      return 'TooSoonError'
    default:
      return 'ActivationRefusedError'
  }
}

builder.objectRef<Extract<ActivationError, { limit: number }>>('TooManySegmentsError').implement({
  description: 'More segments than one activation may have.',
  interfaces: [activationError],
  fields: (t) => ({
    limit: t.exposeInt('limit', { description: 'What is allowed.' }),
    requested: t.exposeInt('requested', { description: 'What was asked for.' }),
  }),
})
builder.objectRef<Extract<ActivationError, { runId: string }>>('RunInProgressError').implement({
  description: 'Another run must end first.',
  interfaces: [activationError],
  fields: (t) => ({
    run: t.field({
      type: run,
      description: 'The run to wait for, or to cancel.',
      resolve: ({ runId }, _, { loaders }) => present(loaders.run.load(runId)),
    }),
  }),
})
builder.objectRef<Extract<ActivationError, { segmentId: string }>>('SegmentNotInDataflowError').implement({
  description: 'The segment is not sent through this dataflow, or not today.',
  interfaces: [activationError],
  fields: (t) => ({
    ...pairFields(t),
  }),
})
builder.objectRef<Extract<ActivationError, { allowedFrom: Date }>>('TooSoonError').implement({
  description: 'The segment was mapped too recently to be sent on demand.',
  interfaces: [activationError],
  fields: (t) => ({
    allowedFrom: t.expose('allowedFrom', { type: 'DateTime', description: 'From when on it is allowed.' }),
  }),
})
builder.objectRef<ActivationError>('ActivationRefusedError').implement({
  description: 'A reason that the message says all about.',
  interfaces: [activationError],
})
