// Profiles, their identity namespaces, and what is known of their attributes.
import { and, eq, exists, inArray, isNotNull, not, notExists, or, type SQL, sql } from 'drizzle-orm'
import { isMembershipStatus } from '../domain/membership.ts'
import type { RunPlan } from '../domain/model.ts'
import type { AttributeType } from '../domain/value-type.ts'
import { chunks } from './chunks.ts'
import type { Database, ExpectingQuery, Query } from './database.ts'
import { ACTIVE_STATUSES, sendsProfiles } from './run-event.ts'
import type { Row } from './tables.ts'

const IDS_A_STATEMENT = 1_000

export interface ProfileAttribute {
  /** Dotted. */
  path: string
  type: AttributeType
  /** Profiles with a value there. */
  profileCount: number
  examples: unknown[]
}

export function profileStore(database: Database) {
  const { db, tables } = database
  const { sandboxes, namespaces, profiles, attributeStats, attributeHints } = tables
  const { members, snapshots, runs, runFiles, rejections } = tables

  const changed = (sandboxId: string): Query =>
    db
      .update(sandboxes)
      .set({ profilesVersion: sql`${sandboxes.profilesVersion} + 1` })
      .where(eq(sandboxes.id, sandboxId))

  /**
   * The snapshot that the run pinned has the profile; of an increment, any of the segment: it sends those that left, too.
   * Looked up run by run: members are far too many to scan.
   */
  const mayHave = (profileId: number): SQL | undefined => {
    const hasMember = (ofRun: SQL | undefined) =>
      exists(
        db
          .select({ id: snapshots.id })
          .from(snapshots)
          .innerJoin(members, eq(members.version, snapshots.version))
          .where(and(ofRun, eq(members.profileId, profileId))),
      )
    const ofSegment = hasMember(eq(snapshots.segmentId, runs.segmentId))
    return or(hasMember(eq(snapshots.id, runs.snapshotId)), and(eq(runs.mode, 'INCREMENTAL'), ofSegment))
  }

  /** Which of the versions have the profile. */
  const versionsWith = async (profileId: number, versions: number[]): Promise<Set<number>> => {
    const rows = await db
      .select({ version: members.version })
      .from(members)
      .where(and(inArray(members.version, [...new Set(versions)]), eq(members.profileId, profileId)))
    return new Set(rows.map(({ version }) => version))
  }

  /** Those of the runs that send the profile: increments, and runs of what an earlier one was refused, send only a part. */
  const sending = async (runIds: string[], profileId: number): Promise<string[]> => {
    const others = new Set<string>()
    for (const ids of chunks(runIds, IDS_A_STATEMENT)) {
      const parts = await db
        .select({ id: runs.id, plan: runs.plan })
        .from(runs)
        .where(and(inArray(runs.id, ids), or(isNotNull(runs.retryOf), eq(runs.mode, 'INCREMENTAL'))))
      const refusals = await db
        .select({ runId: rejections.runId })
        .from(rejections)
        .where(
          and(
            inArray(
              rejections.runId,
              parts.flatMap(({ plan }) => plan.refusedIn ?? []),
            ),
            eq(rejections.profileId, profileId),
            eq(rejections.reason, 'REFUSED_BY_DESTINATION'),
          ),
        )
      const refusedIn = new Set(refusals.map(({ runId }) => runId))
      const versions = parts.flatMap(({ plan }) =>
        plan.since ? [plan.since.version, plan.snapshot.version] : [],
      )
      const having = await versionsWith(profileId, versions)
      for (const { id, plan } of parts) {
        const isSent = plan.refusedIn ? refusedIn.has(plan.refusedIn) : maySend(plan, having)
        if (!isSent) others.add(id)
      }
    }
    return runIds.filter((id) => !others.has(id))
  }

  return {
    /** Goes into every write of profiles: what was computed before is out of date. */
    changed,

    /** Id of the identity namespace of this name; made on first use. */
    async ensureNamespace(sandboxId: string, name: string): Promise<number> {
      const where = and(eq(namespaces.sandboxId, sandboxId), eq(namespaces.name, name))
      const find = async () => (await db.select({ id: namespaces.id }).from(namespaces).where(where))[0]?.id
      const known = await find()
      if (known !== undefined) return known
      await database.batch([db.insert(namespaces).values({ sandboxId, name }).onConflictDoNothing()])
      const made = await find()
      if (made === undefined) throw new Error('A namespace that was just made is not there.')
      return made
    },

    async findId(sandboxId: string, namespace: string, key: string): Promise<number | null> {
      const [row] = await db
        .select({ id: profiles.id })
        .from(profiles)
        .innerJoin(namespaces, eq(namespaces.id, profiles.namespaceId))
        .where(
          and(eq(namespaces.sandboxId, sandboxId), eq(namespaces.name, namespace), eq(profiles.key, key)),
        )
      return row?.id ?? null
    },

    /** Remembers which columns of a file disagreed on a type, and forgets it of those that now agree. */
    hints(sandboxId: string, columns: { path: string; type: AttributeType | null }[]): Query[] {
      const writes: Query[] = []
      for (const { path, type } of columns) {
        const where = and(eq(attributeHints.sandboxId, sandboxId), eq(attributeHints.path, path))
        if (type === 'MIXED') {
          writes.push(
            db.insert(attributeHints).values({ sandboxId, path, mixed: true }).onConflictDoNothing(),
          )
        } else if (type !== null) writes.push(db.delete(attributeHints).where(where))
      }
      return writes
    },

    async mixedPaths(sandboxId: string): Promise<Set<string>> {
      const rows = await db.select().from(attributeHints).where(eq(attributeHints.sandboxId, sandboxId))
      return new Set(rows.filter((row) => row.mixed).map((row) => row.path))
    },

    async version(sandboxId: string): Promise<number> {
      const [row] = await db
        .select({ version: sandboxes.profilesVersion })
        .from(sandboxes)
        .where(eq(sandboxes.id, sandboxId))
      return row?.version ?? 0
    },

    /** The attributes as computed at this version of the profiles; null when never, or at another version. */
    async knownAttributes(sandboxId: string, version: number): Promise<ProfileAttribute[] | null> {
      const [row] = await db
        .select()
        .from(attributeStats)
        .where(and(eq(attributeStats.sandboxId, sandboxId), eq(attributeStats.profilesVersion, version)))
      return row ? (row.stats as ProfileAttribute[]) : null // written by keepAttributes only
    },

    /** Undone when profiles have changed since: an example may be of one that was erased. */
    keepAttributes(row: Row<'attributeStats'>): (Query | ExpectingQuery)[] {
      const { sandboxId, profilesVersion, stats, computedAt } = row
      const isCurrent = and(eq(sandboxes.id, sandboxId), eq(sandboxes.profilesVersion, profilesVersion))
      return [
        { query: db.update(sandboxes).set({ profilesVersion }).where(isCurrent), expect: 1 },
        db.insert(attributeStats).values(row).onConflictDoUpdate({
          target: attributeStats.sandboxId,
          set: { profilesVersion, stats, computedAt },
        }),
      ]
    },

    /** Runs that deliver the profile, or have: it is among what they send, and they did not reject it. */
    async runIdsWith(sandboxId: string, profileId: number): Promise<string[]> {
      const rejected = db
        .select({ runId: rejections.runId })
        .from(rejections)
        .where(and(eq(rejections.runId, runs.id), eq(rejections.profileId, profileId)))
      // Aside: it looks at every run that there ever was.
      const rows = await database.aside(
        db
          .select({ id: runs.id })
          .from(runs)
          .where(
            and(
              eq(runs.sandboxId, sandboxId),
              inArray(runs.status, ['SUCCESS', 'PROCESSING', 'CANCELLING']),
              mayHave(profileId),
              notExists(rejected),
            ),
          ),
      )
      return sending(
        rows.map(([id]) => String(id)),
        profileId,
      )
    },

    /** Runs of the sandbox whose files are appearing just now. */
    async publishing(sandboxId: string): Promise<string[]> {
      const rows = await db
        .select({ id: runs.id })
        .from(runs)
        .where(
          and(
            eq(runs.sandboxId, sandboxId),
            eq(runs.phase, 'FINALIZING'),
            inArray(runs.status, ACTIVE_STATUSES),
            not(sendsProfiles(tables)),
          ),
        )
      return rows.map((row) => row.id)
    },

    /** The files of those of the runs that are past the point of no return. */
    async deliveredFiles(runIds: string[]): Promise<Row<'runFiles'>[]> {
      const files: Row<'runFiles'>[] = []
      for (const ids of chunks(runIds, IDS_A_STATEMENT)) {
        const rows = await db
          .select({ file: runFiles })
          .from(runFiles)
          .innerJoin(runs, eq(runs.id, runFiles.runId))
          .where(
            and(inArray(runFiles.runId, ids), or(eq(runs.status, 'SUCCESS'), eq(runs.phase, 'FINALIZING'))),
          )
          .orderBy(runFiles.runId, runFiles.part)
        files.push(...rows.map((row) => row.file))
      }
      return files
    },

    /**
     * Erases a profile and its traces. Runs that are reading or delivering it lose their lease and their
     * checkpoint, and so begin their file again without it; those that send profiles go on from theirs without it.
     */
    erase(sandboxId: string, profileId: number): (Query | ExpectingQuery)[] {
      // Version by version, because the primary key begins with it: the table may have a hundred million rows.
      const versions = sql`(with recursive v(version) as (
        select min(version) from members
        union all
        select (select min(m.version) from members m where m.version > v.version) from v where v.version is not null
      ) select version from v where version is not null)`
      // Rejections are kept by run, so that writing them is cheap: the profile is looked for in each run.
      const runsOfSandbox = db.select({ id: runs.id }).from(runs).where(eq(runs.sandboxId, sandboxId))
      return [
        db
          .update(runs)
          .set({
            checkpoint: sql`case when ${sendsProfiles(tables)} then ${runs.checkpoint} end`,
            fence: sql`${runs.fence} + 1`,
            leaseUntil: new Date(0),
          })
          .where(
            and(
              eq(runs.sandboxId, sandboxId),
              inArray(runs.status, ['PROCESSING', 'CANCELLING']),
              or(inArray(runs.phase, ['WAITING', 'READING', 'DELIVERING']), sendsProfiles(tables)),
              mayHave(profileId),
            ),
          ),
        db
          .delete(members)
          .where(and(eq(members.profileId, profileId), sql`${members.version} in ${versions}`)),
        db
          .delete(rejections)
          .where(and(eq(rejections.profileId, profileId), inArray(rejections.runId, runsOfSandbox))),
        // Their examples may be of this profile.
        db.delete(attributeStats).where(eq(attributeStats.sandboxId, sandboxId)),
        { query: db.delete(profiles).where(eq(profiles.id, profileId)), expect: 1 },
        changed(sandboxId),
      ]
    },
  }
}

/** Whether a run sends a profile that these versions have. By key, one that stayed may take the place of one that left. */
function maySend({ since, snapshot, fields, deduplicateBy }: RunPlan, having: ReadonlySet<number>): boolean {
  if (!since) return true
  const [isMember, wasMember] = [having.has(snapshot.version), having.has(since.version)]
  if (isMember) return !wasMember || deduplicateBy.length > 0
  return wasMember && fields.some(({ source }) => isMembershipStatus(source))
}
