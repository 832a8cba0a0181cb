import { builder } from '../builder.ts'
import { payload, payloadType } from '../payload.ts'
import { segment, segmentationJob } from '../refs.ts'
import { segmentStatus } from './segment.ts'
import { segmentRuleInput, toRule } from './segment-rule.ts'

const createInput = builder.inputType('CreateSegmentInput', {
  description: 'A new segment.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'What people call it: 1 to 255 characters.' }),
    description: t.string({ description: 'Who is meant: at most 2,000 characters.' }),
    rule: t.field({ type: segmentRuleInput, required: true, description: 'Who is selected.' }),
    status: t.field({
      type: segmentStatus,
      defaultValue: 'ACTIVE',
      description: 'DRAFT, ACTIVE or INACTIVE.',
    }),
  }),
})

const updateInput = builder.inputType('UpdateSegmentInput', {
  description: 'Changes to a segment. What is absent stays as it is.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Which one, seg_….' }),
    name: t.string({ description: 'A new name: 1 to 255 characters.' }),
    description: t.string({ description: 'A new description; null takes it away.' }),
    rule: t.field({ type: segmentRuleInput, description: 'A new rule. Counts from the next evaluation on.' }),
    status: t.field({ type: segmentStatus, description: 'DRAFT, ACTIVE or INACTIVE.' }),
  }),
})

const segmentPayload = payloadType({
  name: 'SegmentPayload',
  key: 'segment',
  type: segment,
  what: 'The segment',
})
const evaluatePayload = payloadType({
  name: 'EvaluateSegmentsPayload',
  key: 'job',
  type: segmentationJob,
  what: 'The segmentation job',
})

builder.mutationFields((t) => ({
  createSegment: t.field({
    type: segmentPayload,
    description: 'Makes a segment. It has no snapshot until it is evaluated.',
    args: { input: t.arg({ type: createInput, required: true, description: 'What to make.' }) },
    resolve: (_, { input }, { session, parts }) => {
      const made = parts.services.segment.create(session, { ...input, rule: toRule(input.rule) })
      return payload('segment', made)
    },
  }),
  updateSegment: t.field({
    type: segmentPayload,
    description: 'Changes a segment.',
    args: { input: t.arg({ type: updateInput, required: true, description: 'What to change.' }) },
    resolve: (_, { input: { rule, ...changes } }, { session, parts }) => {
      const input = { ...changes, ...(rule && { rule: toRule(rule) }) }
      return payload('segment', parts.services.segment.update(session, input))
    },
  }),
  deleteSegment: t.field({
    type: segmentPayload,
    description: 'Takes a segment out of use for good. Its history stays.',
    args: { id: t.arg.id({ required: true, description: 'Its id, seg_….' }) },
    resolve: (_, { id }, { session, parts }) =>
      payload('segment', parts.services.segment.delete(session, id)),
  }),
  evaluateSegments: t.field({
    type: evaluatePayload,
    description:
      'Evaluates the named segments, or all active ones, on the profiles as they are now. While a job that evaluates them is not done yet, it is the answer; one that does not evaluate all of them is a CONFLICT.',
    args: { segmentIds: t.arg.idList({ description: 'Which ones; all active ones when absent.' }) },
    resolve: (_, { segmentIds }, { session, parts }) =>
      payload('job', parts.services.segment.evaluate(session, segmentIds ?? null)),
  }),
}))
