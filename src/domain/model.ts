// The nouns, with the field's standard terms.
//
//   profile      a person's attributes under a key, e.g. customer_id = 42
//   segment      a rule that selects profiles; a snapshot is one finished evaluation of it
//   destination  a place that segments are sent to; its type is a driver
//   dataflow     a destination, the fields each file or contact carries, and the segments mapped to it
//   mapping      one segment in one dataflow, with its schedule
//   activation   a request to send mapped segments now; one order per dataflow and segment
//   run          one export of one snapshot of a segment through one dataflow
//
// Counters of a run: received (looked at), exported (delivered), excluded (left out on purpose: no consent,
// a missing required field, a duplicate), failed (refused). received = exported + excluded + failed at the end.

export const ROLES = ['ADMIN', 'OPERATOR', 'VIEWER', 'PARTNER'] as const
export type Role = (typeof ROLES)[number]

export type Trigger = 'AD_HOC' | 'SCHEDULED'
export type SegmentStatus = 'DRAFT' | 'ACTIVE' | 'INACTIVE' | 'DELETED'
export type JobStatus = 'QUEUED' | 'PROCESSING' | 'SUCCEEDED' | 'FAILED' | 'CANCELLED'
export type AccountStatus = 'UNVERIFIED' | 'CONNECTED' | 'FAILED' | 'REMOVED'
export type DestinationStatus = 'ENABLED' | 'DISABLED' | 'REMOVED'
export type DataflowState = 'ENABLED' | 'DISABLED'
export type MappingStatus = 'ACTIVE' | 'INACTIVE' | 'DELETED'
export type ExportMode = 'DAILY_FULL_EXPORT' | 'FIRST_FULL_THEN_INCREMENTAL'
export type RunMode = 'FULL' | 'INCREMENTAL'
export type RunStatus = 'QUEUED' | 'PROCESSING' | 'SUCCESS' | 'FAILED' | 'CANCELLING' | 'CANCELLED'
export type RunPhase = 'WAITING' | 'READING' | 'DELIVERING' | 'FINALIZING' | 'DONE'
export type RunEventType =
  | 'QUEUED'
  | 'STARTED'
  | 'PROGRESS'
  | 'FILE_DELIVERED'
  | 'RETRYING'
  | 'CANCELLING'
  | 'SUCCEEDED'
  | 'FAILED'
  | 'CANCELLED'
export type RejectionReason =
  | 'MISSING_REQUIRED_FIELD'
  | 'DUPLICATE'
  | 'NO_CONSENT'
  | 'INVALID_VALUE'
  | 'REFUSED_BY_DESTINATION'

/** STARTED: of what is not done in one step; how it ended comes in a line of its own. */
export type AuditOutcome = 'DONE' | 'REFUSED' | 'STARTED' | 'INTERRUPTED'

export const ATTRIBUTE_OPERATORS = [
  'EQUALS',
  'NOT_EQUALS',
  'LESS_THAN',
  'LESS_OR_EQUAL',
  'GREATER_THAN',
  'GREATER_OR_EQUAL',
  'IN',
  'NOT_IN',
  'CONTAINS',
  'STARTS_WITH',
  'ENDS_WITH',
  'EXISTS',
  'NOT_EXISTS',
  'WITHIN_LAST_DAYS',
  'BEFORE',
  'AFTER',
] as const
export type AttributeOperator = (typeof ATTRIBUTE_OPERATORS)[number]
export type Scalar = string | number | boolean
export interface AttributeCondition {
  path: string
  operator: AttributeOperator
  value?: Scalar | Scalar[]
}
/** A segment's rule: exactly one of the five forms. */
export type Rule =
  | { all: Rule[] }
  | { any: Rule[] }
  | { not: Rule }
  | { attribute: AttributeCondition }
  | { segment: string }

export type Frequency =
  | 'ONCE'
  | 'EVERY_3_HOURS'
  | 'EVERY_6_HOURS'
  | 'EVERY_8_HOURS'
  | 'EVERY_12_HOURS'
  | 'DAILY'
  | 'WEEKLY'
  | 'MONTHLY'
export type ScheduleTrigger = 'SCHEDULED' | 'AFTER_SEGMENT_EVALUATION'
export interface Schedule {
  frequency: Frequency
  trigger: ScheduleTrigger
  /** YYYY-MM-DD, inclusive. */
  startDate: string
  /** YYYY-MM-DD, exclusive. */
  endDate: string | null
  /** HH:00, UTC. */
  startTime: string | null
}

export interface FieldMapping {
  /** Dotted path into the profile's attributes. */
  source: string
  /** Name of the column or of the destination's field. */
  target: string
  required: boolean
}
/** What a column holds, in formats with a schema. Numbers are 64-bit floating point, date-times are in UTC. */
export type ColumnType = 'STRING' | 'NUMBER' | 'BOOLEAN' | 'DATE_TIME'
export interface PlannedField extends FieldMapping {
  /** Pinned for formats with a schema, so that all parts and attempts agree. */
  type?: ColumnType
}
export type FileType = 'CSV' | 'JSON' | 'PARQUET'
export type Compression = 'NONE' | 'GZIP' | 'ZSTD'
export interface FileFormat {
  type: FileType
  compression: Compression
  delimiter: string
  quote: string
  escape: string
  nullValue: string
  /** What an empty text is written as in CSV; absent in a format stored before there was a choice: ''. */
  emptyValue?: string
  /** Whether CSV begins with the columns' names; absent: it does. */
  header?: boolean
  maxRowsPerFile: number
  manifest: boolean
  /** Prefix cells that a spreadsheet would run as a formula with an apostrophe. */
  neutralizeFormulas: boolean
  /** The OpenPGP key, in ASCII armor, that files are encrypted to; absent: they are not. */
  publicKey?: string
}

/** Everything an export needs, pinned when the run was made. */
export interface RunPlan {
  destination: { id: string; name: string; type: string; settings: Record<string, unknown> }
  accountId: string | null
  dataflow: { id: string; name: string }
  segment: { id: string; name: string }
  snapshot: { id: string; version: number }
  /** Of the snapshot, only the profiles that the destination refused in this run; absent: all. */
  refusedIn?: string
  /**
   * Of an increment: the snapshot it is compared with. Profiles that became members are sent, and those that are no
   * members any more where a field tells the status of the membership. Absent: all members are sent.
   */
  since?: { id: string; version: number }
  fields: PlannedField[]
  deduplicateBy: string[]
  consentAttribute: string | null
  fileFormat: FileFormat | null
  /** The first part's file name with every macro filled in, without extension; may hold folders. */
  fileName: string | null
  /** The template names no moment: the file replaces the one of the run before. */
  isStaticName: boolean
}

/** Where an interrupted export goes on. */
export type RunCheckpoint = FileCheckpoint | ProfileCheckpoint
/** Of files: everything up to `afterProfileId` is in finished parts. */
export interface FileCheckpoint {
  /** Name of the first part without extensions: the plan's, or another where that was taken. */
  baseName: string
  afterProfileId: number
  counters: RunCounters
  parts: FinishedPart[]
}
/** Of profiles in requests: everything up to `afterProfileId` was taken by the destination, or left out. */
export interface ProfileCheckpoint {
  afterProfileId: number
  counters: RunCounters
  /** What the destination took and has not said the outcome of, the oldest first. */
  pending: PendingBatch[]
  /** The run that got so far: what it rejected is to be taken over first. Absent: nothing is. */
  continues?: string
}
/** The profiles after one id and up to another, but for those that were rejected. */
export interface PendingBatch {
  receipt: Receipt
  afterProfileId: number
  upToProfileId: number
  rows: number
  /** When it was sent, in milliseconds since 1970. */
  sentAt: number
}
export interface RunCounters {
  received: number
  exported: number
  excluded: number
  failed: number
  bytes: number
  files: number
}
/** A whole part, safe on the destination under its temporary name. */
export interface FinishedPart {
  part: number
  /** Fencing token of the claim that wrote it; goes into the temporary name. */
  fence: number
  name: string
  rows: number
  bytes: number
  sha256: string
  /** What the driver needs to publish it: of an upload, its id. */
  receipt?: Receipt
}
/** A driver's own note, kept in a checkpoint; no secrets, no profile values. */
export type Receipt = Record<string, unknown>
export interface RunFailure {
  code: string
  message: string
  retryable: boolean
}
/** Why a segment has no snapshot of a job. */
export interface SegmentFailure extends RunFailure {
  segmentId: string
}

/** Ids carry the noun: seg_…, dst_…. */
export const ID_PREFIXES = {
  sandbox: 'sbx',
  apiToken: 'tok',
  segment: 'seg',
  snapshot: 'snp',
  segmentationJob: 'job',
  destinationAccount: 'acc',
  destination: 'dst',
  dataflow: 'flow',
  segmentMapping: 'map',
  activation: 'act',
  run: 'run',
  notificationTarget: 'ntf',
} as const
export type Noun = keyof typeof ID_PREFIXES
