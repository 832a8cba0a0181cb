// What the guardrails of an activation look at: five statements, however many segments are asked for.
import { and, desc, eq, inArray } from 'drizzle-orm'
import { type ActivationRequest, pairKey } from '../domain/activation.ts'
import type { Database } from './database.ts'
import { plausibleIds } from './filter.ts'
import { runStore } from './run.ts'
import { isComparedWith } from './run-sent.ts'
import { KEPT_SNAPSHOTS } from './snapshot.ts'
import type { Row } from './tables.ts'

export type ActivationRows = Awaited<ReturnType<ReturnType<typeof activationFactsStore>['load']>>
export interface DataflowRow extends Row<'dataflows'> {
  destination: Row<'destinations'> & {
    account: Pick<
      Row<'destinationAccounts'>,
      'name' | 'status' | 'consentAt' | 'sharedWith' | 'settings' | 'details'
    > | null
  }
}
export interface SegmentRow extends Row<'segments'> {
  snapshot: Row<'snapshots'> | null
}

export function activationFactsStore(database: Database) {
  const runs = runStore(database)
  return {
    /** @param destinationIds the destinations that the caller may see, or null for all */
    async load(sandboxId: string, request: ActivationRequest, destinationIds: string[] | null) {
      const dataflowIds = plausibleIds(request.dataflows.map(({ dataflowId }) => dataflowId))
      const segmentIds = plausibleIds(request.orders.map(({ segmentId }) => segmentId))
      const [dataflows, segments, mappings, adHocRuns, scheduledRuns] = await Promise.all([
        loadDataflows(database, { sandboxId, dataflowIds, destinationIds }),
        loadSegments(database, sandboxId, segmentIds),
        loadMappings(database, { sandboxId, dataflowIds, segmentIds }),
        runs.activeAdHocBySegments(sandboxId, segmentIds),
        runs.activeScheduledByDataflows(sandboxId, dataflowIds),
      ])
      return {
        dataflows: new Map(dataflows.map((row) => [row.id, row])),
        segments: new Map(segments.map((row) => [row.id, row])),
        mappings: new Map(mappings.map((row) => [pairKey(row.dataflowId, row.segmentId), row])),
        adHocRuns: new Map(adHocRuns.map((row) => [row.segmentId, row])),
        scheduledRuns: new Map(scheduledRuns.map((row) => [row.dataflowId, row])),
      }
    },

    /**
     * Whether every member of the run's snapshot is still there, and of the one that it is compared with: versions before
     * the previous one are cleaned up, at any time and in slices, unless a later increment is compared with them.
     */
    async areSnapshotsKept(
      run: Pick<Row<'runs'>, 'sandboxId' | 'segmentId' | 'snapshotId' | 'plan'>,
    ): Promise<boolean> {
      const { snapshots, segmentMappings: mappings } = database.tables
      const kept = await database.db
        .select({ id: snapshots.id })
        .from(snapshots)
        .where(and(eq(snapshots.sandboxId, run.sandboxId), eq(snapshots.segmentId, run.segmentId)))
        .orderBy(desc(snapshots.evaluatedAt), desc(snapshots.id))
        .limit(KEPT_SNAPSHOTS)
      const sent = await database.db
        .select({ id: mappings.sentSnapshotId })
        .from(mappings)
        .where(and(eq(mappings.segmentId, run.segmentId), isComparedWith(database.tables)))
      const ids = new Set([...kept, ...sent].map(({ id }) => id))
      return ids.has(run.snapshotId) && (!run.plan.since || ids.has(run.plan.since.id))
    },
  }
}

async function loadDataflows(
  { db, tables: { dataflows, destinations, destinationAccounts: accounts } }: Database,
  options: { sandboxId: string; dataflowIds: string[]; destinationIds: string[] | null },
): Promise<DataflowRow[]> {
  const rows = await db
    .select({
      dataflow: dataflows,
      destination: destinations,
      account: {
        name: accounts.name,
        status: accounts.status,
        consentAt: accounts.consentAt,
        sharedWith: accounts.sharedWith,
        settings: accounts.settings,
        details: accounts.details,
      },
    })
    .from(dataflows)
    .innerJoin(destinations, eq(destinations.id, dataflows.destinationId))
    .leftJoin(accounts, eq(accounts.id, destinations.accountId))
    .where(
      and(
        eq(dataflows.sandboxId, options.sandboxId),
        inArray(dataflows.id, options.dataflowIds),
        options.destinationIds ? inArray(dataflows.destinationId, options.destinationIds) : undefined,
      ),
    )
  return rows.map(({ dataflow, destination, account }) => ({
    ...dataflow,
    destination: { ...destination, account },
  }))
}

async function loadSegments(
  { db, tables: { segments, snapshots } }: Database,
  sandboxId: string,
  segmentIds: string[],
): Promise<SegmentRow[]> {
  const rows = await db
    .select({ segment: segments, snapshot: snapshots })
    .from(segments)
    .leftJoin(snapshots, eq(snapshots.id, segments.snapshotId))
    .where(and(eq(segments.sandboxId, sandboxId), inArray(segments.id, segmentIds)))
  return rows.map(({ segment, snapshot }) => ({ ...segment, snapshot }))
}

function loadMappings(
  { db, tables: { segmentMappings: mappings } }: Database,
  options: { sandboxId: string; dataflowIds: string[]; segmentIds: string[] },
): Promise<Row<'segmentMappings'>[]> {
  return db
    .select()
    .from(mappings)
    .where(
      and(
        eq(mappings.sandboxId, options.sandboxId),
        inArray(mappings.dataflowId, options.dataflowIds),
        inArray(mappings.segmentId, options.segmentIds),
      ),
    )
}
