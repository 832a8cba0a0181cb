// What runs and segmentation jobs have in common: who holds a row, until when, and whether the holder lives.
import { and, gte, inArray, isNotNull, lt, or, type SQL } from 'drizzle-orm'
import type { Database } from './database.ts'

export const LEASE_MS = 30_000
export const HEARTBEAT_MS = 10_000

export const leaseUntil = (at: Date): Date => new Date(at.getTime() + LEASE_MS)

/**
 * Of the held rows those that may be taken: their lease has run out, or their holder does not live any more.
 * `held` says which rows of the table are held.
 */
export async function isLeft(
  database: Database,
  { table, held, at }: { table: Leased; held: SQL; at: Date },
): Promise<SQL | undefined> {
  const owners = await database.db
    .selectDistinct({ id: table.leaseOwner })
    .from(table)
    .where(and(held, isNotNull(table.leaseOwner), gte(table.leaseUntil, at)))
  const dead = await database.life.deadAmong(owners.flatMap(({ id }) => id ?? []))
  return and(
    held,
    or(lt(table.leaseUntil, at), dead.length > 0 ? inArray(table.leaseOwner, dead) : undefined),
  )
}

type Leased = Database['tables']['runs' | 'segmentationJobs' | 'notificationTargets']
