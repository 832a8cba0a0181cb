import { and, eq, inArray } from 'drizzle-orm'
import type { Schedule } from '../domain/model.ts'
import type { Database } from './database.ts'

/**
 * The schedules by which dataflows are exported, each of a dataflow's once however many segments have it: those of
 * active mappings, where neither the dataflow nor its destination is disabled.
 */
export function activeSchedulesOf(
  { db, tables }: Database,
  sandboxId: string,
  dataflowIds: readonly string[],
): Promise<{ dataflowId: string; schedule: Schedule }[]> {
  const { segmentMappings: mappings, dataflows, destinations } = tables
  return db
    .selectDistinct({ dataflowId: mappings.dataflowId, schedule: mappings.schedule })
    .from(mappings)
    .innerJoin(dataflows, eq(dataflows.id, mappings.dataflowId))
    .innerJoin(destinations, eq(destinations.id, mappings.destinationId))
    .where(
      and(
        eq(mappings.sandboxId, sandboxId),
        inArray(mappings.dataflowId, [...dataflowIds]),
        eq(mappings.elementStatus, 'ACTIVE'),
        eq(dataflows.state, 'ENABLED'),
        eq(destinations.status, 'ENABLED'),
      ),
    )
}
