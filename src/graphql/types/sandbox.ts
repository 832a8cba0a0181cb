import { builder } from '../builder.ts'
import { payload, payloadType } from '../payload.ts'
import { sandbox } from '../refs.ts'
import { node } from './node.ts'

sandbox.implement({
  description:
    'An isolated space of profiles, segments, destinations, dataflows and runs. Chosen by the header x-sandbox-name; `prod` when absent.',
  interfaces: [node],
  fields: (t) => ({
    name: t.exposeString('name', { description: 'What x-sandbox-name says.' }),
    title: t.exposeString('title', { description: 'What people call it.' }),
    nextSegmentationAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When its active segments are evaluated next without being asked; null: never.',
      resolve: (_, __, { parts }) => parts.segmentationTimes?.next(parts.clock()) ?? null,
    }),
  }),
})

const createInput = builder.inputType('CreateSandboxInput', {
  description: 'A new sandbox.',
  fields: (t) => ({
    name: t.string({
      required: true,
      description: '1 to 63 lower-case letters, digits and hyphens; unique in the gateway.',
    }),
    title: t.string({ required: true, description: 'What people call it: 1 to 255 characters.' }),
  }),
})

const sandboxPayload = payloadType({
  name: 'SandboxPayload',
  key: 'sandbox',
  type: sandbox,
  what: 'The sandbox',
})

builder.queryField('sandboxes', (t) =>
  t.field({
    type: [sandbox],
    description: 'The isolated spaces of this gateway. Administrators see all, others their own.',
    resolve: (_, __, { session, parts }) => parts.services.sandbox.list(session),
  }),
)

builder.mutationField('createSandbox', (t) =>
  t.field({
    type: sandboxPayload,
    description: 'Makes an empty sandbox. Administrators only.',
    args: { input: t.arg({ type: createInput, required: true, description: 'What to make.' }) },
    resolve: (_, { input }, { session, parts }) =>
      payload('sandbox', parts.services.sandbox.create(session, input)),
  }),
)
