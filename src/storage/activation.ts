import { and, eq, inArray, notExists, sql } from 'drizzle-orm'
import type { Database, ExpectingQuery, Query } from './database.ts'
import { isActive, unindexed } from './run-event.ts'
import type { NewRow, Row } from './tables.ts'

type Targets = Pick<Row<'runs'>, 'mappingId' | 'dataflowId' | 'destinationId'>

export function activationStore(database: Database) {
  const { db, tables, json } = database
  const { activations, runs, dataflows, destinations, segmentMappings: mappings } = tables

  return {
    byIds: (sandboxId: string, ids: string[]): Promise<Row<'activations'>[]> =>
      db
        .select()
        .from(activations)
        .where(and(json.likely(eq(activations.sandboxId, sandboxId)), inArray(activations.id, ids))),

    /** The activation that holds an idempotency key of this token, however old. */
    async byIdempotencyKey(options: {
      sandboxId: string
      tokenId: string
      key: string
    }): Promise<Row<'activations'> | null> {
      const { sandboxId, tokenId, key } = options
      const [row] = await db
        .select()
        .from(activations)
        .where(
          and(
            eq(activations.sandboxId, sandboxId),
            eq(activations.tokenId, tokenId),
            eq(activations.idempotencyKey, key),
          ),
        )
      return row ?? null
    },

    /** The runs that these activations made, in the order in which they were asked for. */
    runsOf: (sandboxId: string, activationIds: string[]): Promise<Row<'runs'>[]> =>
      db
        .select()
        .from(runs)
        .where(and(json.likely(eq(runs.sandboxId, sandboxId)), inArray(runs.activationId, activationIds)))
        .orderBy(runs.activationId, runs.id),

    /**
     * Locks what the runs go through for the rest of the batch; misses what is unmapped, disabled or removed since it
     * was judged.
     */
    keepTargets(runs: readonly Targets[]): ExpectingQuery[] {
      const mappingIds = [...new Set(runs.map(({ mappingId }) => mappingId))]
      const dataflowIds = [...new Set(runs.map(({ dataflowId }) => dataflowId))]
      const destinationIds = [...new Set(runs.map(({ destinationId }) => destinationId))]
      const isMapped = and(inArray(mappings.id, mappingIds), eq(mappings.elementStatus, 'ACTIVE'))
      const isEnabled = and(inArray(dataflows.id, dataflowIds), eq(dataflows.state, 'ENABLED'))
      const takesRuns = and(inArray(destinations.id, destinationIds), eq(destinations.status, 'ENABLED'))
      return [
        {
          query: db.update(mappings).set({ elementStatus: 'ACTIVE' }).where(isMapped),
          expect: mappingIds.length,
        },
        {
          query: db.update(dataflows).set({ state: 'ENABLED' }).where(isEnabled),
          expect: dataflowIds.length,
        },
        {
          query: db.update(destinations).set({ status: 'ENABLED' }).where(takesRuns),
          expect: destinationIds.length,
        },
      ]
    },

    /** Last of an ad-hoc run's targets, which are locked by then: misses dataflows with a scheduled run that goes on. */
    keepUnscheduled(adHoc: readonly Targets[]): ExpectingQuery {
      const dataflowIds = [...new Set(adHoc.map(({ dataflowId }) => dataflowId))]
      const scheduled = db
        .select({ one: sql`1` })
        .from(runs)
        .where(
          and(isActive(tables), eq(unindexed(runs.dataflowId), dataflows.id), eq(runs.trigger, 'SCHEDULED')),
        )
      return {
        query: db
          .update(dataflows)
          .set({ state: 'ENABLED' })
          .where(and(inArray(dataflows.id, dataflowIds), notExists(scheduled))),
        expect: dataflowIds.length,
      }
    },

    insert: (row: NewRow<'activations'>): Query => db.insert(activations).values(row),

    /** The write that lets a key serve again. */
    releaseKey: (id: string): Query =>
      db.update(activations).set({ idempotencyKey: null }).where(eq(activations.id, id)),
  }
}
