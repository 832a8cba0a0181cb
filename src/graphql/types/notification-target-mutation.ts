import type { UserError } from '../../domain/errors.ts'
import type { Row } from '../../storage/tables.ts'
import { builder } from '../builder.ts'
import { ERRORS, payload, payloadType, settle, userError } from '../payload.ts'
import { notificationTarget } from '../refs.ts'
import { notificationEvent } from './notification-target.ts'

const SECRET = 'What messages are signed with: whsec_ and 24 to 64 random bytes in base64.'

const createInput = builder.inputType('CreateNotificationTargetInput', {
  description: 'A new notification target.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'What people call it: 1 to 255 characters.' }),
    url: t.string({ required: true, description: 'Where messages are sent to, starting with https://.' }),
    events: t.field({
      type: [notificationEvent],
      required: true,
      description: 'What it is told of: at least one.',
    }),
    dataflowIds: t.idList({ description: 'The dataflows that it is told of, 250 at most; none: all.' }),
    secret: t.string({ description: `${SECRET} One is made when it is absent.` }),
  }),
})

const updateInput = builder.inputType('UpdateNotificationTargetInput', {
  description: 'Changes to a notification target. What is absent stays as it is.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Which one, ntf_….' }),
    name: t.string({ description: 'A new name: 1 to 255 characters.' }),
    url: t.string({ description: 'Another address; what waits is sent there.' }),
    events: t.field({ type: [notificationEvent], description: 'What it is told of, whole.' }),
    dataflowIds: t.idList({ description: 'The dataflows that it is told of, whole; an empty list: all.' }),
    secret: t.string({ description: `Another secret. ${SECRET}` }),
  }),
})

interface CreatedPayload {
  notificationTarget: Row<'notificationTargets'> | null
  secret: string | null
  errors: UserError[]
}
const createdPayload = builder.objectRef<CreatedPayload>('CreateNotificationTargetPayload').implement({
  description: 'The target, or every reason why not. `secret` is shown once.',
  fields: (t) => ({
    notificationTarget: t.expose('notificationTarget', {
      type: notificationTarget,
      nullable: true,
      description: 'The target; null when there are errors.',
    }),
    secret: t.exposeString('secret', {
      nullable: true,
      description: 'What its messages are signed with, when it was made here. Only in this answer.',
    }),
    errors: t.expose('errors', { type: [userError], description: ERRORS }),
  }),
})
const targetPayload = payloadType({
  name: 'NotificationTargetPayload',
  key: 'notificationTarget',
  type: notificationTarget,
  what: 'The target',
})

builder.mutationFields((t) => ({
  createNotificationTarget: t.field({
    type: createdPayload,
    description: 'Makes a target, which is told of what happens from now on. Administrators only.',
    args: { input: t.arg({ type: createInput, required: true, description: 'What to make.' }) },
    resolve: async (_, { input }, { session, parts }) => {
      const { done, errors } = await settle(parts.services.notificationTarget.create(session, input))
      return { notificationTarget: done?.target ?? null, secret: done?.secret ?? null, errors }
    },
  }),
  updateNotificationTarget: t.field({
    type: targetPayload,
    description: 'Changes a target. Administrators only.',
    args: { input: t.arg({ type: updateInput, required: true, description: 'What to change.' }) },
    resolve: (_, { input }, { session, parts }) =>
      payload('notificationTarget', parts.services.notificationTarget.update(session, input)),
  }),
  deleteNotificationTarget: t.field({
    type: targetPayload,
    description:
      'Ends a target for good, and answers with what it was. What waited for it is not sent. Administrators only.',
    args: { id: t.arg.id({ required: true, description: 'Its id, ntf_….' }) },
    resolve: (_, { id }, { session, parts }) =>
      payload('notificationTarget', parts.services.notificationTarget.remove(session, id)),
  }),
  testNotificationTarget: t.field({
    type: targetPayload,
    description:
      'Sends a signed message for which nothing is to be done, and says what the endpoint answered. Administrators only.',
    args: { id: t.arg.id({ required: true, description: 'Its id, ntf_….' }) },
    resolve: (_, { id }, { session, parts }) =>
      payload('notificationTarget', parts.services.notificationTarget.test(session, id)),
  }),
}))
