// Who may come in, profiles, segments and their snapshots.
import { sql } from 'drizzle-orm'
import type {
  JobStatus,
  Role,
  Rule,
  RunFailure,
  SegmentFailure,
  SegmentStatus,
  Trigger,
} from '../domain/model.ts'
import type { Kit } from './kit.ts'
import { columnsOf } from './tables-common.ts'

export function catalogTables(kit: Kit) {
  const { stamps, sandboxId, counter } = columnsOf(kit)

  // ------------------------------------------------------------ access
  const sandboxes = kit.table(
    'sandboxes',
    {
      id: kit.text('id').primaryKey(),
      name: kit.text('name').notNull(),
      title: kit.text('title').notNull(),
      /** Counts every change of profiles: what was computed at the same version is still true. */
      profilesVersion: counter('profiles_version'),
      createdAt: kit.timestamp('created_at').notNull(),
    },
    (t) => [kit.uniqueIndex('sandboxes_name').on(t.name)],
  )
  const apiTokens = kit.table(
    'api_tokens',
    {
      id: kit.text('id').primaryKey(),
      /** Null: a token of the whole gateway, for administrators. */
      sandboxId: kit.text('sandbox_id'),
      clientId: kit.text('client_id').notNull(),
      name: kit.text('name').notNull(),
      roles: kit.json<Role[]>('roles').notNull(),
      /** Null: not bound to destinations. */
      destinationIds: kit.json<string[] | null>('destination_ids'),
      /** SHA-256 of the secret, hex; the secret itself is 256 random bits and is never stored. */
      secretHash: kit.text('secret_hash').notNull(),
      createdAt: kit.timestamp('created_at').notNull(),
      expiresAt: kit.timestamp('expires_at'),
      lastUsedAt: kit.timestamp('last_used_at'),
      revokedAt: kit.timestamp('revoked_at'),
    },
    (t) => [
      kit.uniqueIndex('api_tokens_client').on(t.clientId),
      kit.uniqueIndex('api_tokens_secret').on(t.secretHash),
    ],
  )
  /** What access tokens of /oauth/token are signed with; the newest signs, all that are kept verify. */
  const signingKeys = kit.table('signing_keys', {
    /** The `kid`. */
    id: kit.text('id').primaryKey(),
    publicKey: kit.json<Record<string, unknown>>('public_key').notNull(),
    /** Sealed by AES-256-GCM with the row's id as associated data. */
    privateKey: kit.text('private_key').notNull(),
    createdAt: kit.timestamp('created_at').notNull(),
  })

  // ------------------------------------------------------------ profiles
  /** An identity namespace: the attribute that identifies profiles, e.g. customer_id. A profile is (namespace, key). */
  const namespaces = kit.table(
    'namespaces',
    { id: kit.identity('id'), sandboxId: sandboxId(), name: kit.text('name').notNull() },
    (t) => [kit.uniqueIndex('namespaces_name').on(t.sandboxId, t.name)],
  )
  const profiles = kit.table(
    'profiles',
    {
      id: kit.identity('id'),
      namespaceId: kit.bigint('namespace_id').notNull(),
      key: kit.text('key').notNull(),
      attributes: kit.attributes('attributes').notNull(),
    },
    (t) => [kit.uniqueIndex('profiles_key').on(t.namespaceId, t.key)],
  )
  /** What `profileAttributes` answers, as of a version of the sandbox's profiles. */
  const attributeStats = kit.table('attribute_stats', {
    sandboxId: kit.text('sandbox_id').primaryKey(),
    profilesVersion: kit.bigint('profiles_version').notNull(),
    stats: kit.json<unknown[]>('stats').notNull(),
    computedAt: kit.timestamp('computed_at').notNull(),
  })
  /** Columns whose values disagreed on a type at import: stored as text, reported as MIXED. */
  const attributeHints = kit.table(
    'attribute_hints',
    { sandboxId: sandboxId(), path: kit.text('path').notNull(), mixed: kit.bool('mixed').notNull() },
    (t) => [kit.primaryKey({ columns: [t.sandboxId, t.path] })],
  )

  // ------------------------------------------------------------ segments
  const segments = kit.table(
    'segments',
    {
      id: kit.text('id').primaryKey(),
      sandboxId: sandboxId(),
      number: kit.int('number').notNull(),
      name: kit.text('name').notNull(),
      description: kit.text('description'),
      status: kit.text('status').$type<SegmentStatus>().notNull(),
      rule: kit.json<Rule>('rule').notNull(),
      expression: kit.text('expression').notNull(),
      /** The latest finished snapshot; flipped in one batch when a job ends. */
      snapshotId: kit.text('snapshot_id'),
      ...stamps,
    },
    (t) => [
      kit.uniqueIndex('segments_number').on(t.number),
      kit.index('segments_created').on(t.sandboxId, t.createdAt, t.id),
      kit.index('segments_name').on(t.sandboxId, t.name, t.id),
      kit.index('segments_updated').on(t.sandboxId, t.updatedAt, t.id),
    ],
  )
  const snapshots = kit.table(
    'snapshots',
    {
      id: kit.text('id').primaryKey(),
      sandboxId: sandboxId(),
      segmentId: kit.text('segment_id').notNull(),
      jobId: kit.text('job_id').notNull(),
      /** The membership version that `members` rows carry: small, because it is stored once per member. */
      version: kit.bigint('version').notNull(),
      evaluatedAt: kit.timestamp('evaluated_at').notNull(),
      profileCount: kit.bigint('profile_count').notNull(),
      entered: kit.bigint('entered').notNull(),
      exited: kit.bigint('exited').notNull(),
    },
    (t) => [
      kit.uniqueIndex('snapshots_version').on(t.version),
      kit.index('snapshots_segment').on(t.segmentId, t.evaluatedAt, t.id),
      kit.index('snapshots_job').on(t.jobId),
    ],
  )
  const members = kit.table(
    'members',
    { version: kit.bigint('version').notNull(), profileId: kit.bigint('profile_id').notNull() },
    (t) => [kit.primaryKey({ columns: [t.version, t.profileId] })],
  )
  const segmentationJobs = kit.table(
    'segmentation_jobs',
    {
      id: kit.text('id').primaryKey(),
      sandboxId: sandboxId(),
      status: kit.text('status').$type<JobStatus>().notNull(),
      trigger: kit.text('trigger').$type<Trigger>().notNull(),
      /** In the order of evaluation: a segment comes after the segments its rule names. */
      segmentIds: kit.json<string[]>('segment_ids').notNull(),
      /** Profiles to look at, over all segments; null until the job starts. */
      total: kit.bigint('total'),
      received: counter('received'),
      /** Profiles found to be members so far. */
      exported: counter('exported'),
      error: kit.json<RunFailure | null>('error'),
      /** The segments that could not be evaluated, in the order of evaluation; null: none, or the job is not done. */
      failures: kit.json<SegmentFailure[]>('failures'),
      attempt: kit.int('attempt').notNull().default(0),
      leaseOwner: kit.text('lease_owner'),
      leaseUntil: kit.timestamp('lease_until'),
      fence: counter('fence'),
      /** The time of the schedule that the job is for; null of ad-hoc ones. */
      dueAt: kit.timestamp('due_at'),
      createdAt: kit.timestamp('created_at').notNull(),
      startedAt: kit.timestamp('started_at'),
      completedAt: kit.timestamp('completed_at'),
    },
    (t) => [
      kit.index('segmentation_jobs_status').on(t.status, t.createdAt),
      kit.index('segmentation_jobs_created').on(t.sandboxId, t.createdAt, t.id),
      // A slot fires once, whichever process is faster.
      kit.uniqueIndex('segmentation_jobs_slot').on(t.sandboxId, t.dueAt).where(sql`${t.dueAt} is not null`),
      // One job at a time per sandbox: two would race for the pointers.
      kit
        .uniqueIndex('segmentation_jobs_active')
        .on(t.sandboxId)
        .where(sql`${t.status} in ('QUEUED', 'PROCESSING')`),
    ],
  )

  return {
    sandboxes,
    apiTokens,
    signingKeys,
    namespaces,
    profiles,
    attributeStats,
    attributeHints,
    segments,
    snapshots,
    members,
    segmentationJobs,
  }
}
