// The conditions of a list of runs, in SQL and on a row: both say the same.
import { gte, inArray, lt, type SQL } from 'drizzle-orm'
import type { RunStatus, Trigger } from '../domain/model.ts'
import type { Database } from './database.ts'
import type { Row } from './tables.ts'

/** Conditions that must all hold. Absent and null do not filter, and nothing is in an empty list. */
export interface RunFilter {
  ids?: string[] | null | undefined
  dataflowIds?: string[] | null | undefined
  segmentIds?: string[] | null | undefined
  destinationIds?: string[] | null | undefined
  status?: RunStatus[] | null | undefined
  trigger?: Trigger[] | null | undefined
  /** Inclusive. */
  createdAfter?: Date | null | undefined
  /** Exclusive. */
  createdBefore?: Date | null | undefined
}

export function runConditions({ runs }: Database['tables'], filter: RunFilter): (SQL | undefined)[] {
  return [
    filter.ids ? inArray(runs.id, filter.ids) : undefined,
    filter.dataflowIds ? inArray(runs.dataflowId, filter.dataflowIds) : undefined,
    filter.segmentIds ? inArray(runs.segmentId, filter.segmentIds) : undefined,
    filter.destinationIds ? inArray(runs.destinationId, filter.destinationIds) : undefined,
    filter.status ? inArray(runs.status, filter.status) : undefined,
    filter.trigger ? inArray(runs.trigger, filter.trigger) : undefined,
    filter.createdAfter ? gte(runs.createdAt, filter.createdAfter) : undefined,
    filter.createdBefore ? lt(runs.createdAt, filter.createdBefore) : undefined,
  ]
}

export function matchesRun(run: Row<'runs'>, filter: RunFilter): boolean {
  const { createdAfter, createdBefore } = filter
  return (
    isIn(filter.ids, run.id) &&
    isIn(filter.dataflowIds, run.dataflowId) &&
    isIn(filter.segmentIds, run.segmentId) &&
    isIn(filter.destinationIds, run.destinationId) &&
    isIn(filter.status, run.status) &&
    isIn(filter.trigger, run.trigger) &&
    (createdAfter == null || run.createdAt >= createdAfter) &&
    (createdBefore == null || run.createdAt < createdBefore)
  )
}

const isIn = <T>(list: T[] | null | undefined, value: T): boolean => list == null || list.includes(value)
