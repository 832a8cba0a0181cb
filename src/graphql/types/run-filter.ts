import type { RunFilter } from '../../storage/run-filter.ts'
import { builder } from '../builder.ts'
import { distinct } from '../input.ts'
import { orderInput, trigger } from './common.ts'
import { runStatus } from './run-enums.ts'

export const runFilter = builder.inputType('RunFilter', {
  description: 'Conditions that must all hold. What is absent or null does not filter.',
  fields: (t) => ({
    ids: t.idList({ description: 'Only those with these ids.' }),
    dataflowIds: t.idList({ description: 'Through one of these dataflows.' }),
    segmentIds: t.idList({ description: 'Of one of these segments.' }),
    destinationIds: t.idList({ description: 'To one of these destinations.' }),
    status: t.field({ type: [runStatus], description: 'In one of these states.' }),
    trigger: t.field({ type: [trigger], description: 'Set off in one of these ways.' }),
    createdAfter: t.field({ type: 'DateTime', description: 'Asked for at this moment or later.' }),
    createdBefore: t.field({ type: 'DateTime', description: 'Asked for before this moment.' }),
  }),
})

export const runOrder = orderInput('Run', 'runs', {
  CREATED_AT: { description: 'When it was asked for.' },
  COMPLETED_AT: { description: 'When it ended; runs that have not are left out.' },
})

/**
 * The filter of a stream, which no store checks.
 * @throws Refusal LIMIT_EXCEEDED for a list that is too long
 */
export function decodeRunFilter(filter: RunFilter | null | undefined): RunFilter {
  const ids = (name: 'ids' | 'dataflowIds' | 'segmentIds' | 'destinationIds') =>
    distinct(filter?.[name], ['filter', name])
  return {
    ...filter,
    ids: ids('ids'),
    dataflowIds: ids('dataflowIds'),
    segmentIds: ids('segmentIds'),
    destinationIds: ids('destinationIds'),
    status: distinct(filter?.status, ['filter', 'status']),
    trigger: distinct(filter?.trigger, ['filter', 'trigger']),
  }
}
