import { builder } from '../builder.ts'
import { payload, payloadType } from '../payload.ts'
import { destination } from '../refs.ts'
import { destinationStatus } from './destination.ts'

const createInput = builder.inputType('CreateDestinationInput', {
  description: 'A new destination.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'What people call it: 1 to 255 characters.' }),
    description: t.string({ description: 'What it is for: at most 2,000 characters.' }),
    type: t.string({ required: true, description: 'The name of a DestinationType.' }),
    accountId: t.id({ description: 'The account to log in with; absent for kinds that need none.' }),
    settings: t.field({
      type: 'JSON',
      required: true,
      description: "Where exactly, in the words of the type's settingsSchema.",
    }),
  }),
})

const updateInput = builder.inputType('UpdateDestinationInput', {
  description: 'Changes to a destination. What is absent stays as it is.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Which one, dst_….' }),
    name: t.string({ description: 'A new name: 1 to 255 characters.' }),
    description: t.string({ description: 'A new description; null takes it away.' }),
    accountId: t.id({
      description:
        'Another account of the same kind, e.g. in place of one that is removed. It enables nothing.',
    }),
    settings: t.field({ type: 'JSON', description: 'New settings, whole.' }),
    status: t.field({ type: destinationStatus, description: 'ENABLED or DISABLED.' }),
  }),
})

const destinationPayload = payloadType({
  name: 'DestinationPayload',
  key: 'destination',
  type: destination,
  what: 'The destination',
})

builder.mutationFields((t) => ({
  createDestination: t.field({
    type: destinationPayload,
    description: 'Makes a destination, ENABLED.',
    args: { input: t.arg({ type: createInput, required: true, description: 'What to make.' }) },
    resolve: (_, { input }, { session, parts }) =>
      payload('destination', parts.services.destination.create(session, input)),
  }),
  updateDestination: t.field({
    type: destinationPayload,
    description: 'Changes a destination. Runs that are under way keep what they began with.',
    args: { input: t.arg({ type: updateInput, required: true, description: 'What to change.' }) },
    resolve: (_, { input }, { session, parts }) =>
      payload('destination', parts.services.destination.update(session, input)),
  }),
  removeDestination: t.field({
    type: destinationPayload,
    description:
      'Takes a destination out of use for good: its dataflows are disabled, and its runs stop, unless their files are appearing. Its history stays.',
    args: { id: t.arg.id({ required: true, description: 'Its id, dst_….' }) },
    resolve: (_, { id }, { session, parts }) =>
      payload('destination', parts.services.destination.remove(session, id)),
  }),
}))
