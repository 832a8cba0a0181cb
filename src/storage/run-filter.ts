// The conditions of a list of runs, in SQL and on a row: both say the same.
import type { RunStatus, Trigger } from '../domain/model.ts'
import type { Database } from './database.ts'
import { before, isAmong, since } from './filter.ts'
import type { Conditions } from './read.ts'
import type { RunFacts } from './run.ts'

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

/** @throws Refusal for too long a list */
export function runConditions({ runs }: Database['tables'], filter: RunFilter): Conditions {
  return [
    isAmong({ column: runs.id, values: filter.ids, name: 'ids' }),
    isAmong({ column: runs.dataflowId, values: filter.dataflowIds, name: 'dataflowIds' }),
    isAmong({ column: runs.segmentId, values: filter.segmentIds, name: 'segmentIds' }),
    isAmong({ column: runs.destinationId, values: filter.destinationIds, name: 'destinationIds' }),
    isAmong({ column: runs.status, values: filter.status, name: 'status' }),
    isAmong({ column: runs.trigger, values: filter.trigger, name: 'trigger' }),
    since(runs.createdAt, filter.createdAfter),
    before(runs.createdAt, filter.createdBefore),
  ]
}

export function matchesRun(run: RunFacts, filter: RunFilter): boolean {
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
