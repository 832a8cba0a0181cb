// The log of what happened to the mappings of a destination: partners that keep a copy follow it.
import { and, eq, gt, inArray, type SQL, sql } from 'drizzle-orm'
import type { Database, Query } from './database.ts'
import type { Row } from './tables.ts'

/**
 * Appends a change of each mapping that the condition finds to the log of its destination, under consecutive numbers
 * after the destination's newest. Goes into the batch of the change itself, so that log and state cannot differ; the
 * first write locks the destinations, so that concurrent batches number one after the other.
 */
export function appendMappingChanges({ db, tables }: Database, changed: { where: SQL; at: Date }): Query[] {
  const { destinations, segmentMappings: mappings, mappingChanges } = tables
  const { where, at } = changed
  const affected = inArray(
    destinations.id,
    db.select({ id: mappings.destinationId }).from(mappings).where(where),
  )
  const newest = sql`(select max(${mappingChanges.seq}) from ${mappingChanges} where ${mappingChanges.destinationId} = ${destinations.id})`
  const place = sql<number>`row_number() over (partition by ${mappings.destinationId} order by ${mappings.id})`
  return [
    db
      .update(destinations)
      .set({ changeSeq: sql`${destinations.changeSeq}` })
      .where(affected),
    db.insert(mappingChanges).select(
      db
        .select({
          destinationId: mappings.destinationId,
          seq: sql<number>`${destinations.changeSeq} + ${place}`.as('seq'),
          mappingId: mappings.id,
          at: sql<Date>`${sql.param(at, mappingChanges.at)}`.as('at'),
        })
        .from(mappings)
        .innerJoin(destinations, eq(destinations.id, mappings.destinationId))
        .where(where),
    ),
    db
      .update(destinations)
      .set({ changeSeq: sql`coalesce(${newest}, ${destinations.changeSeq})` })
      .where(affected),
  ]
}

export function mappingChangeStore({ db, tables: { mappingChanges } }: Database) {
  return {
    /** A destination's changes after a sequence number, in order. */
    after: (destinationId: string, seq: number, limit: number): Promise<Row<'mappingChanges'>[]> =>
      db
        .select()
        .from(mappingChanges)
        .where(and(eq(mappingChanges.destinationId, destinationId), gt(mappingChanges.seq, seq)))
        .orderBy(mappingChanges.seq)
        .limit(limit),
  }
}
