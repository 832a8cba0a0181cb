// A snapshot is one finished evaluation. While a job writes, its snapshots are rows already: that reserves their
// versions for good, even if the job never ends. Until it succeeds they date from 1970, and count for nothing.
import { and, eq, gt, inArray, isNotNull } from 'drizzle-orm'
import type { Database } from './database.ts'
import { plausibleIds } from './filter.ts'
import { type PageArgs, selectPage } from './paging.ts'
import type { Row } from './tables.ts'

/** When a snapshot was evaluated that is still being written, or never was finished. */
export const UNFINISHED = new Date(0)

export function snapshotStore(database: Database) {
  const { db, tables } = database
  const { segments, snapshots } = tables
  const isFinished = gt(snapshots.evaluatedAt, UNFINISHED)

  return {
    byIds: (sandboxId: string, ids: readonly string[]): Promise<Row<'snapshots'>[]> =>
      db
        .select()
        .from(snapshots)
        .where(and(eq(snapshots.sandboxId, sandboxId), inArray(snapshots.id, plausibleIds(ids)), isFinished)),

    /** Of one segment, newest first. */
    page(options: { sandboxId: string; segmentId: string; args: PageArgs; maxPageSize: number }) {
      const { sandboxId, segmentId, args, maxPageSize } = options
      return selectPage({
        db,
        table: snapshots,
        where: and(eq(snapshots.sandboxId, sandboxId), eq(snapshots.segmentId, segmentId), isFinished),
        list: [sandboxId, segmentId],
        order: { name: 'EVALUATED_AT', column: snapshots.evaluatedAt, direction: 'DESC' },
        args,
        maxPageSize,
      })
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
