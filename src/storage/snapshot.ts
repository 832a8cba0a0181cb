// A snapshot is one finished evaluation. While a job writes, its snapshots are rows already: that reserves their
// versions for good, even if the job never ends. Until it succeeds they date from 1970, and count for nothing.
import { and, eq, gt, isNotNull } from 'drizzle-orm'
import type { Database } from './database.ts'
import { fixed, hasId, isAlso } from './filter.ts'
import { type Paging, selectPages } from './paging.ts'
import { reader } from './read.ts'
import type { Row } from './tables.ts'

/** Of each segment the members are kept of the latest snapshot, and of the one before, which runs are compared with. */
export const KEPT_SNAPSHOTS = 2
/** When a snapshot was evaluated that is still being written, or never was finished. */
export const UNFINISHED = new Date(0)

export function snapshotStore(database: Database) {
  const { db, tables } = database
  const { segments, snapshots } = tables
  const finished = fixed('finished', () => gt(snapshots.evaluatedAt, UNFINISHED))
  const read = reader(database, snapshots)

  return {
    byIds: (sandboxId: string, ids: readonly string[]): Promise<Row<'snapshots'>[]> =>
      read.rows([isAlso(snapshots.sandboxId, sandboxId), hasId(snapshots.id, ids), finished]),

    /** Those of each of the segments, newest first. */
    pagesBySegment(segmentIds: readonly string[], { sandboxId, ...paging }: Paging & { sandboxId: string }) {
      const parents = { column: snapshots.segmentId, ids: segmentIds }
      const where = [isAlso(snapshots.sandboxId, sandboxId), finished]
      const order = {
        name: 'EVALUATED_AT',
        column: snapshots.evaluatedAt,
        tie: snapshots.id,
        direction: 'DESC' as const,
      }
      return selectPages({ reader: read, parents, where, order, ...paging })
    },

    /** The latest snapshot of each segment of the sandbox that has one, by the segment's id. */
    async latest(sandboxId: string): Promise<Map<string, Row<'snapshots'>>> {
      const rows = await db
        .select({ snapshot: snapshots })
        .from(segments)
        .innerJoin(snapshots, eq(snapshots.id, segments.snapshotId))
        .where(and(eq(segments.sandboxId, sandboxId), isNotNull(segments.snapshotId)))
      return new Map(rows.map(({ snapshot }) => [snapshot.segmentId, snapshot]))
    },
  }
}
