import { authorize } from '../../domain/access.ts'
import type { Row } from '../../storage/tables.ts'
import { builder } from '../builder.ts'
import { pageArgs } from '../connection.ts'
import { objectQuery } from '../object-query.ts'
import { dataflow, notificationTarget, notificationTargetConnection } from '../refs.ts'
import { node } from './node.ts'

export const notificationEvent = builder.enumType('NotificationEvent', {
  description:
    'What a target may be told of: changes of how a dataflow does, each told once, not every run of it.',
  values: {
    START: { description: 'The dataflow begins to run: no other run of it is under way.' },
    SUCCESS: {
      description: 'It succeeds: for the first time that the target hears of it, or again after a failure.',
    },
    FAILURE: {
      description:
        'The last run of one of its segments has failed; and that none is in that state any more. Told once, however long it goes on.',
    },
    DELAY: {
      description:
        'A slot of its schedule was missed, or has not been dealt with 150 minutes later; and that it now is.',
    },
    SKIPPED_RATE: {
      description:
        'A run left out or failed more than 1 % of the profiles that it received; and that the last runs did not any more.',
    },
  },
})

const status = builder.enumType('NotificationTargetStatus', {
  description: 'Whether a target takes messages.',
  values: {
    ACTIVE: { description: 'The last message was taken, or none has been sent yet.' },
    RETRYING: { description: 'The last attempt failed; lastError says how. It is tried again.' },
    FAILING: {
      description: 'Nothing has been taken for 15 minutes or more. It is tried again all the same.',
    },
  },
})
const FAILING_MS = 15 * 60_000

function statusOf({ failingSince }: Row<'notificationTargets'>, now: Date) {
  if (!failingSince) return 'ACTIVE'
  return now.getTime() - failingSince.getTime() >= FAILING_MS ? 'FAILING' : 'RETRYING'
}

notificationTarget.implement({
  description:
    'An address that is told of what happens to dataflows, in messages that are signed after the scheme of Standard Webhooks and sent again until they are taken. The signing secret goes in and never comes out.',
  interfaces: [node],
  fields: (t) => ({
    name: t.exposeString('name', { description: 'What people call it.' }),
    url: t.exposeString('url', { description: 'Where messages are sent to.' }),
    events: t.expose('events', { type: [notificationEvent], description: 'What it is told of.' }),
    dataflows: t.field({
      type: [dataflow],
      description: 'The dataflows that it is told of; empty: all of the sandbox.',
      resolve: async ({ dataflowIds }, _, { loaders }) => {
        const rows = await Promise.all(dataflowIds.map((id) => loaders.dataflow.load(id)))
        return rows.filter((row) => row !== null)
      },
    }),
    status: t.field({
      type: status,
      description: 'Whether it takes messages.',
      resolve: (row, _, { parts }) => statusOf(row, parts.clock()),
    }),
    failingSince: t.expose('failingSince', {
      type: 'DateTime',
      nullable: true,
      description: 'Since when every attempt has failed; null when the last one has not.',
    }),
    lastError: t.exposeString('lastError', {
      nullable: true,
      description: 'How the last attempt failed; null when it has not.',
    }),
    lastDeliveredAt: t.expose('lastDeliveredAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it last took a message.',
    }),
    waitingMessages: t.int({
      description: 'Messages that are still to be sent: 1,000 at most.',
      resolve: ({ queuedSeq, sentSeq }) => queuedSeq - sentSeq,
    }),
    droppedMessages: t.exposeInt('dropped', {
      description: 'Messages that were given up: refused for three days, or more than may wait.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
  }),
})

objectQuery({
  noun: 'notificationTarget',
  type: notificationTarget,
  words: 'notification target',
  action: 'notifications:write',
})
builder.queryField('notificationTargets', (t) =>
  t.field({
    type: notificationTargetConnection,
    description: 'The notification targets of this sandbox, oldest first. Administrators only.',
    args: pageArgs(t.arg),
    resolve: (_, args, { session, stores, parts }) => {
      authorize(session, 'notifications:write')
      const { maxPageSize } = parts.guardrails
      return stores.notificationTarget.page({ sandboxId: session.sandbox.id, args, maxPageSize })
    },
  }),
)
