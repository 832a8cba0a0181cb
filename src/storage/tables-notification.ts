// Who is told of what happens to dataflows, and what is still to be told.
import type { NotificationEvent, ToldState } from '../domain/notification.ts'
import type { Kit } from './kit.ts'
import { columnsOf } from './tables-common.ts'

export function notificationTables(kit: Kit) {
  const { stamps, sandboxId, counter } = columnsOf(kit)

  const notificationTargets = kit.table(
    'notification_targets',
    {
      id: kit.text('id').primaryKey(),
      sandboxId: sandboxId(),
      name: kit.text('name').notNull(),
      url: kit.text('url').notNull(),
      /** What messages are signed with. Sealed by AES-256-GCM with the row's id as associated data. */
      secret: kit.text('secret').notNull(),
      events: kit.json<NotificationEvent[]>('events').notNull(),
      /** Empty: all of the sandbox. */
      dataflowIds: kit.json<string[]>('dataflow_ids').notNull(),
      /** Number of the newest message, and of the last one that is dealt with: what lies between is waiting. */
      queuedSeq: counter('queued_seq'),
      sentSeq: counter('sent_seq'),
      /** Messages that were given up. */
      dropped: counter('dropped'),
      /** Attempts in a row that have failed, since when, and when the next one may be made. */
      attempt: kit.int('attempt').notNull().default(0),
      failingSince: kit.timestamp('failing_since'),
      retryAt: kit.timestamp('retry_at'),
      lastError: kit.text('last_error'),
      lastDeliveredAt: kit.timestamp('last_delivered_at'),
      /** The process that sends, until when, and the fencing token that goes with every write. */
      leaseOwner: kit.text('lease_owner'),
      leaseUntil: kit.timestamp('lease_until'),
      fence: counter('fence'),
      ...stamps,
    },
    (t) => [kit.index('notification_targets_created').on(t.sandboxId, t.createdAt, t.id)],
  )
  /** What a target knows of a dataflow. */
  const notificationStates = kit.table(
    'notification_states',
    {
      targetId: kit.text('target_id').notNull(),
      dataflowId: kit.text('dataflow_id').notNull(),
      state: kit.json<ToldState>('state').notNull(),
      /** Counts the changes: whoever read another version must read again. */
      version: kit.bigint('version').notNull(),
    },
    (t) => [kit.primaryKey({ columns: [t.targetId, t.dataflowId] })],
  )
  /** What waits to be sent, word for word, so that a repetition is the same message. */
  const notificationMessages = kit.table(
    'notification_messages',
    {
      targetId: kit.text('target_id').notNull(),
      seq: kit.bigint('seq').notNull(),
      body: kit.text('body').notNull(),
      createdAt: kit.timestamp('created_at').notNull(),
    },
    (t) => [kit.primaryKey({ columns: [t.targetId, t.seq] })],
  )
  /**
   * Events of the run log that no target has been considered for yet. A row is written with its event and deleted with
   * the messages that come of it: whatever order writers commit in, none is passed over.
   */
  const runNews = kit.table(
    'run_news',
    { runId: kit.text('run_id').notNull(), seq: kit.bigint('seq').notNull() },
    (t) => [kit.primaryKey({ columns: [t.runId, t.seq] })],
  )

  return { notificationTargets, notificationStates, notificationMessages, runNews }
}
