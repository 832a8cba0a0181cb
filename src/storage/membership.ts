// The rows of `members`: written and deleted in slices, because one statement over a million rows would hold everything
// else up.
import { and, asc, desc, eq, gt, inArray, lte, ne, type SQL, sql } from 'drizzle-orm'
import type { Database, Query } from './database.ts'
import { ACTIVE_STATUSES, isActive } from './run-event.ts'
import { isComparedWith } from './run-sent.ts'
import { KEPT_SNAPSHOTS, UNFINISHED } from './snapshot.ts'

/** Profile ids in (after, upTo]. */
export interface IdRange {
  after: number
  upTo: number
}

export function membershipStore(database: Database) {
  const { db, tables } = database
  const { members, profiles, runs, segments, segmentMappings, segmentationJobs, snapshots } = tables

  return {
    /** Smallest and largest id and number of the profiles under the condition; off the event loop. */
    async extent(isOfSandbox: SQL): Promise<{ min: number; max: number; count: number }> {
      const [row] = await database.aside(
        db
          .select({ min: sql`min(${profiles.id})`, max: sql`max(${profiles.id})`, count: sql`count(*)` })
          .from(profiles)
          .where(isOfSandbox),
      )
      const [min, max, count] = row ?? []
      return { min: Number(min ?? 0), max: Number(max ?? 0), count: Number(count ?? 0) }
    },

    /** Makes members of the profiles in the range that the condition selects. */
    insert: (version: number, { after, upTo }: IdRange, condition: SQL): Query =>
      db.insert(members).select(
        db
          .select({
            version: sql<number>`cast(${version} as bigint)`.as('version'),
            profileId: profiles.id,
          })
          .from(profiles)
          .where(and(gt(profiles.id, after), lte(profiles.id, upTo), condition)),
      ),

    /** Whether any member has a value there; off the event loop, because it may have to look at all of them. */
    async someMemberHas(version: number, path: string): Promise<boolean> {
      const rows = await database.aside(
        db
          .select({ id: members.profileId })
          .from(members)
          .innerJoin(profiles, eq(profiles.id, members.profileId))
          .where(and(eq(members.version, version), sql`${database.json.type(path)} is not null`))
          .limit(1),
      )
      return rows.length > 0
    },

    /** How many in the range are members of both versions. */
    async countStaying(version: number, before: number, { after, upTo }: IdRange): Promise<number> {
      const [row] = await db
        .select({ count: sql<number>`count(*)`.mapWith(Number) })
        .from(members)
        .where(
          and(
            eq(members.version, version),
            gt(members.profileId, after),
            lte(members.profileId, upTo),
            sql`exists (select 1 from ${members} as earlier where earlier.version = ${before} and earlier.profile_id = ${members.profileId})`,
          ),
        )
      return row?.count ?? 0
    },

    /**
     * Versions that nobody reads: not of the latest two snapshots of a segment, of an active run, being written, or what
     * the next increment of a mapping is compared with.
     */
    async unneededVersions(): Promise<number[]> {
      const ranked = db
        .select({
          version: snapshots.version,
          rank: sql<number>`row_number() over (partition by ${snapshots.segmentId} order by ${desc(snapshots.evaluatedAt)}, ${desc(snapshots.id)})`.as(
            'rank',
          ),
        })
        .from(snapshots)
        .innerJoin(segments, eq(segments.id, snapshots.segmentId))
        .where(and(gt(snapshots.evaluatedAt, UNFINISHED), ne(segments.status, 'DELETED')))
        .as('ranked')
      // In this order, because another process may move a version on in between: a version is reserved before its first
      // member is written, and is latest before its job is done.
      const present = await presentVersions()
      const beingWritten = await db
        .select({ version: snapshots.version })
        .from(segmentationJobs)
        .innerJoin(snapshots, eq(snapshots.jobId, segmentationJobs.id))
        .where(inArray(segmentationJobs.status, ['QUEUED', 'PROCESSING']))
      const latest = await db
        .select({ version: ranked.version })
        .from(ranked)
        .where(lte(ranked.rank, KEPT_SNAPSHOTS))
      const pinned = await db
        .select({ version: snapshots.version })
        .from(runs)
        .innerJoin(snapshots, eq(snapshots.id, runs.snapshotId))
        .where(inArray(runs.status, ACTIVE_STATUSES))
      const sent = await db
        .select({ version: snapshots.version })
        .from(segmentMappings)
        .innerJoin(snapshots, eq(snapshots.id, segmentMappings.sentSnapshotId))
        .where(isComparedWith(tables))
      const increments = await db
        .select({ plan: runs.plan })
        .from(runs)
        .where(and(isActive(tables), eq(runs.mode, 'INCREMENTAL')))
      const compared = increments.flatMap(({ plan }) => plan.since ?? [])
      const all = [...beingWritten, ...latest, ...pinned, ...sent, ...compared]
      const needed = new Set(all.map(({ version }) => Number(version)))
      return present.filter((version) => !needed.has(version))
    },

    /** Deletes members of a version, `limit` of them at most. */
    deleteSlice(version: number, limit: number): Query {
      const slice = db
        .select({ profileId: members.profileId })
        .from(members)
        .where(eq(members.version, version))
        .orderBy(asc(members.profileId))
        .limit(limit)
      return db.delete(members).where(and(eq(members.version, version), inArray(members.profileId, slice)))
    },
  }

  /** One look into the index per version: a `distinct` would read every member. */
  async function presentVersions(): Promise<number[]> {
    const versions: number[] = []
    for (;;) {
      const [next] = await db
        .select({ version: sql<number | null>`min(${members.version})` })
        .from(members)
        .where(gt(members.version, versions.at(-1) ?? 0))
      if (next?.version == null) return versions
      versions.push(Number(next.version))
    }
  }
}
