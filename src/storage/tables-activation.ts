// Destinations, dataflows, activations and runs.
import { sql } from 'drizzle-orm'
import type {
  AccountStatus,
  DataflowState,
  DestinationStatus,
  ExportMode,
  FieldMapping,
  FileFormat,
  MappingStatus,
  RejectionReason,
  Role,
  RunCheckpoint,
  RunEventType,
  RunFailure,
  RunMode,
  RunPhase,
  RunPlan,
  RunStatus,
  Schedule,
  Trigger,
} from '../domain/model.ts'
import type { Kit } from './kit.ts'
import { columnsOf } from './tables-common.ts'

export function activationTables(kit: Kit) {
  const { stamps, sandboxId, counter } = columnsOf(kit)

  // ------------------------------------------------------------ destinations
  const destinationAccounts = kit.table(
    'destination_accounts',
    {
      id: kit.text('id').primaryKey(),
      sandboxId: sandboxId(),
      name: kit.text('name').notNull(),
      type: kit.text('type').notNull(),
      settings: kit.json<Record<string, unknown>>('settings').notNull(),
      /** Sealed by AES-256-GCM with the row's id as associated data; never leaves the gateway. */
      secrets: kit.text('secrets'),
      sharedWith: kit.json<Role[]>('shared_with').notNull(),
      consentBy: kit.text('consent_by'),
      consentAt: kit.timestamp('consent_at'),
      status: kit.text('status').$type<AccountStatus>().notNull(),
      lastVerifiedAt: kit.timestamp('last_verified_at'),
      lastError: kit.text('last_error'),
      /** What the destination told at the last login that succeeded, since the settings were set. */
      details: kit.json<Record<string, unknown>>('details'),
      ...stamps,
    },
    (t) => [kit.index('destination_accounts_created').on(t.sandboxId, t.createdAt, t.id)],
  )
  const destinations = kit.table(
    'destinations',
    {
      id: kit.text('id').primaryKey(),
      sandboxId: sandboxId(),
      number: kit.int('number').notNull(),
      name: kit.text('name').notNull(),
      description: kit.text('description'),
      type: kit.text('type').notNull(),
      accountId: kit.text('account_id'),
      settings: kit.json<Record<string, unknown>>('settings').notNull(),
      status: kit.text('status').$type<DestinationStatus>().notNull(),
      /** Sequence of the newest of its mapping changes. */
      changeSeq: counter('change_seq'),
      ...stamps,
    },
    (t) => [
      kit.uniqueIndex('destinations_number').on(t.number),
      kit.index('destinations_created').on(t.sandboxId, t.createdAt, t.id),
      kit.index('destinations_name').on(t.sandboxId, t.name, t.id),
      kit.index('destinations_updated').on(t.sandboxId, t.updatedAt, t.id),
      kit.index('destinations_account').on(t.accountId, t.id),
    ],
  )

  // ------------------------------------------------------------ dataflows
  const dataflows = kit.table(
    'dataflows',
    {
      id: kit.text('id').primaryKey(),
      sandboxId: sandboxId(),
      name: kit.text('name').notNull(),
      description: kit.text('description'),
      destinationId: kit.text('destination_id').notNull(),
      state: kit.text('state').$type<DataflowState>().notNull(),
      fields: kit.json<FieldMapping[]>('fields').notNull(),
      deduplicateBy: kit.json<string[]>('deduplicate_by').notNull(),
      consentAttribute: kit.text('consent_attribute'),
      /** Null where the destination is not file-based. */
      fileFormat: kit.json<FileFormat | null>('file_format'),
      ...stamps,
    },
    (t) => [
      kit.index('dataflows_created').on(t.sandboxId, t.createdAt, t.id),
      kit.index('dataflows_name').on(t.sandboxId, t.name, t.id),
      kit.index('dataflows_updated').on(t.sandboxId, t.updatedAt, t.id),
      kit.index('dataflows_destination').on(t.destinationId, t.id),
    ],
  )
  const segmentMappings = kit.table(
    'segment_mappings',
    {
      id: kit.text('id').primaryKey(),
      sandboxId: sandboxId(),
      number: kit.int('number').notNull(),
      segmentId: kit.text('segment_id').notNull(),
      dataflowId: kit.text('dataflow_id').notNull(),
      destinationId: kit.text('destination_id').notNull(),
      elementName: kit.text('element_name').notNull(),
      elementDescription: kit.text('element_description'),
      /** DELETED keeps the row: partners see it, and mapping the segment again revives it. */
      elementStatus: kit.text('element_status').$type<MappingStatus>().notNull(),
      schedule: kit.json<Schedule>('schedule').notNull(),
      exportMode: kit.text('export_mode').$type<ExportMode>().notNull(),
      filenameTemplate: kit.text('filename_template'),
      activatedAt: kit.timestamp('activated_at').notNull(),
      adHocAllowedFrom: kit.timestamp('ad_hoc_allowed_from').notNull(),
      /** Every slot of the schedule up to here has been dealt with; null in rows older than the scheduler. */
      slotsUntil: kit.timestamp('slots_until'),
      /** What the last scheduled run that succeeded has sent: the next increment is compared with it. */
      sentSnapshotId: kit.text('sent_snapshot_id'),
      ...stamps,
    },
    (t) => [
      kit.uniqueIndex('segment_mappings_number').on(t.number),
      kit.uniqueIndex('segment_mappings_pair').on(t.dataflowId, t.segmentId),
      kit.index('segment_mappings_dataflow').on(t.dataflowId, t.id),
      kit.index('segment_mappings_segment').on(t.segmentId, t.id),
      kit.index('segment_mappings_shown').on(t.segmentId, t.destinationId),
      kit.index('segment_mappings_destination').on(t.destinationId, t.id),
    ],
  )

  /** What happened to the mappings of a destination, append-only: partners that keep a copy follow it. */
  const mappingChanges = kit.table(
    'mapping_changes',
    {
      destinationId: kit.text('destination_id').notNull(),
      seq: kit.bigint('seq').notNull(),
      mappingId: kit.text('mapping_id').notNull(),
      at: kit.timestamp('at').notNull(),
    },
    (t) => [kit.primaryKey({ columns: [t.destinationId, t.seq] })],
  )

  // ------------------------------------------------------------ activation and runs
  const activations = kit.table(
    'activations',
    {
      id: kit.text('id').primaryKey(),
      sandboxId: sandboxId(),
      requestedBy: kit.text('requested_by').notNull(),
      tokenId: kit.text('token_id').notNull(),
      /** Unique per token while kept; cleared after 24 hours so that the key may serve again. */
      idempotencyKey: kit.text('idempotency_key'),
      /** SHA-256 of the canonical input, to tell a repetition from a conflict. */
      inputHash: kit.text('input_hash').notNull(),
      createdAt: kit.timestamp('created_at').notNull(),
    },
    (t) => [
      kit.uniqueIndex('activations_idempotency').on(t.sandboxId, t.tokenId, t.idempotencyKey),
      kit.index('activations_created').on(t.sandboxId, t.createdAt, t.id),
    ],
  )
  const runs = kit.table(
    'runs',
    {
      id: kit.text('id').primaryKey(),
      sandboxId: sandboxId(),
      dataflowId: kit.text('dataflow_id').notNull(),
      destinationId: kit.text('destination_id').notNull(),
      segmentId: kit.text('segment_id').notNull(),
      mappingId: kit.text('mapping_id').notNull(),
      snapshotId: kit.text('snapshot_id'),
      activationId: kit.text('activation_id'),
      trigger: kit.text('trigger').$type<Trigger>().notNull(),
      mode: kit.text('mode').$type<RunMode>().notNull(),
      status: kit.text('status').$type<RunStatus>().notNull(),
      phase: kit.text('phase').$type<RunPhase>().notNull(),
      /** Everything the export needs, pinned when the run was made: later edits do not change it. */
      plan: kit.json<RunPlan>('plan').notNull(),
      checkpoint: kit.json<RunCheckpoint | null>('checkpoint'),
      total: kit.bigint('total'),
      received: counter('received'),
      exported: counter('exported'),
      excluded: counter('excluded'),
      failed: counter('failed'),
      bytes: counter('bytes'),
      files: kit.int('files').notNull().default(0),
      error: kit.json<RunFailure | null>('error'),
      attempt: kit.int('attempt').notNull().default(0),
      /** The process that holds the run, until when, and the fencing token that goes with every write. */
      leaseOwner: kit.text('lease_owner'),
      leaseUntil: kit.timestamp('lease_until'),
      fence: counter('fence'),
      /** Sequence of the newest event. */
      eventSeq: counter('event_seq'),
      retryOf: kit.text('retry_of'),
      /** The slot of the schedule that the run is for; null of ad-hoc ones. */
      dueAt: kit.timestamp('due_at'),
      /** Made after its slot had passed: nothing ran at that time. */
      isLate: kit.bool('is_late').notNull().default(false),
      /** Slots between this one and the one dealt with before it, for which nothing ran. */
      missedSlots: kit.int('missed_slots').notNull().default(0),
      createdAt: kit.timestamp('created_at').notNull(),
      startedAt: kit.timestamp('started_at'),
      completedAt: kit.timestamp('completed_at'),
    },
    (t) => [
      kit.index('runs_created').on(t.sandboxId, t.createdAt, t.id),
      kit.index('runs_completed').on(t.sandboxId, t.completedAt, t.id),
      kit.index('runs_dataflow').on(t.dataflowId, t.createdAt, t.id),
      kit.index('runs_segment').on(t.segmentId, t.createdAt, t.id),
      kit.index('runs_mapping').on(t.mappingId, t.createdAt, t.id),
      kit.index('runs_activation').on(t.activationId),
      // The queue: what a worker scans.
      kit
        .index('runs_active')
        .on(t.createdAt, t.id)
        .where(sql`${t.status} in ('QUEUED', 'PROCESSING', 'CANCELLING')`),
      // A slot fires once, whichever process is faster.
      kit.uniqueIndex('runs_slot').on(t.mappingId, t.dueAt).where(sql`${t.dueAt} is not null`),
      // The last line behind the guardrail: one active ad-hoc run per segment.
      kit
        .uniqueIndex('runs_one_ad_hoc')
        .on(t.segmentId)
        .where(sql`${t.trigger} = 'AD_HOC' and ${t.status} in ('QUEUED', 'PROCESSING', 'CANCELLING')`),
    ],
  )
  /** The run log, append-only: the truth for live clients. */
  const runEvents = kit.table(
    'run_events',
    {
      runId: kit.text('run_id').notNull(),
      seq: kit.bigint('seq').notNull(),
      type: kit.text('type').$type<RunEventType>().notNull(),
      status: kit.text('status').$type<RunStatus>().notNull(),
      phase: kit.text('phase').$type<RunPhase>().notNull(),
      total: kit.bigint('total'),
      received: kit.bigint('received').notNull(),
      exported: kit.bigint('exported').notNull(),
      excluded: kit.bigint('excluded').notNull(),
      failed: kit.bigint('failed').notNull(),
      bytes: kit.bigint('bytes').notNull(),
      files: kit.int('files').notNull(),
      message: kit.text('message'),
      at: kit.timestamp('at').notNull(),
    },
    (t) => [kit.primaryKey({ columns: [t.runId, t.seq] })],
  )
  const runFiles = kit.table(
    'run_files',
    {
      runId: kit.text('run_id').notNull(),
      part: kit.int('part').notNull(),
      name: kit.text('name').notNull(),
      location: kit.text('location').notNull(),
      rows: kit.bigint('rows').notNull(),
      bytes: kit.bigint('bytes').notNull(),
      sha256: kit.text('sha256').notNull(),
    },
    (t) => [kit.primaryKey({ columns: [t.runId, t.part] })],
  )
  const rejections = kit.table(
    'rejections',
    {
      runId: kit.text('run_id').notNull(),
      profileId: kit.bigint('profile_id').notNull(),
      reason: kit.text('reason').$type<RejectionReason>().notNull(),
      detail: kit.text('detail'),
    },
    (t) => [kit.primaryKey({ columns: [t.runId, t.profileId] })],
  )

  return {
    destinationAccounts,
    destinations,
    dataflows,
    segmentMappings,
    mappingChanges,
    activations,
    runs,
    runEvents,
    runFiles,
    rejections,
  }
}
