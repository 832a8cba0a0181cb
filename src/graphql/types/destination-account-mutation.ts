import { builder } from '../builder.ts'
import { payload, payloadType } from '../payload.ts'
import { destinationAccount } from '../refs.ts'
import { role } from './access.ts'

const SETTINGS = "Where and as whom to log in, in the words of `settings` in the type's accountSchema."
const SECRETS =
  "What proves it, in the words of `secrets` in the type's accountSchema. Stored sealed, and never shown again."

const createInput = builder.inputType('CreateDestinationAccountInput', {
  description: 'A new account.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'What people call it: 1 to 255 characters.' }),
    type: t.string({ required: true, description: 'The name of a DestinationType that takes accounts.' }),
    settings: t.field({ type: 'JSON', required: true, description: SETTINGS }),
    secrets: t.field({ type: 'JSON', required: true, description: SECRETS }),
    sharedWith: t.field({
      type: [role],
      defaultValue: [],
      description: 'Roles that may build destinations on it, besides administrators.',
    }),
    agreeToDataTransfer: t.boolean({
      required: true,
      description:
        'Must be true: the agreement that personal data leaves the gateway through this account. It is recorded with your name and the time.',
    }),
  }),
})

const updateInput = builder.inputType('UpdateDestinationAccountInput', {
  description:
    'Changes to an account. What is absent stays as it is. With new settings or secrets it is UNVERIFIED again.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Which one, acc_….' }),
    name: t.string({ description: 'A new name: 1 to 255 characters.' }),
    settings: t.field({
      type: 'JSON',
      description: `New settings, whole; with others than now, the secrets must be given, too. ${SETTINGS}`,
    }),
    secrets: t.field({ type: 'JSON', description: `New secrets, whole. ${SECRETS}` }),
    sharedWith: t.field({
      type: [role],
      description: 'New roles, whole. Destinations that are built on it already stay.',
    }),
  }),
})

const accountPayload = payloadType({
  name: 'DestinationAccountPayload',
  key: 'destinationAccount',
  type: destinationAccount,
  what: 'The account',
})

builder.mutationFields((t) => ({
  createDestinationAccount: t.field({
    type: accountPayload,
    description: 'Makes an account, UNVERIFIED. Administrators only.',
    args: { input: t.arg({ type: createInput, required: true, description: 'What to make.' }) },
    resolve: (_, { input }, { session, parts }) =>
      payload('destinationAccount', parts.services.destinationAccount.create(session, input)),
  }),
  updateDestinationAccount: t.field({
    type: accountPayload,
    description: 'Changes an account. Exports that are under way keep what they began with.',
    args: { input: t.arg({ type: updateInput, required: true, description: 'What to change.' }) },
    resolve: (_, { input }, { session, parts }) =>
      payload('destinationAccount', parts.services.destinationAccount.update(session, input)),
  }),
  verifyDestinationAccount: t.field({
    type: accountPayload,
    description: 'Logs in at the destination with the stored settings and says what it answered.',
    args: { id: t.arg.id({ required: true, description: 'Its id, acc_….' }) },
    resolve: (_, { id }, { session, parts }) =>
      payload('destinationAccount', parts.services.destinationAccount.verify(session, id)),
  }),
  removeDestinationAccount: t.field({
    type: accountPayload,
    description:
      'Takes an account out of use for good and forgets its secrets. Destinations that are built on it and their dataflows are disabled, and their runs stop, unless their files are appearing. The history stays.',
    args: { id: t.arg.id({ required: true, description: 'Its id, acc_….' }) },
    resolve: (_, { id }, { session, parts }) =>
      payload('destinationAccount', parts.services.destinationAccount.remove(session, id)),
  }),
}))
