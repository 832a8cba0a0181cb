import type { RunFailure } from '../../domain/model.ts'
import { estimateOf, type ProgressFacts, percentOf, rateOf } from '../../domain/progress.ts'
import { builder } from '../builder.ts'

export const progress = builder.objectRef<ProgressFacts>('Progress').implement({
  description:
    'How far a run or a segmentation job is. Counters never go backwards and percent never passes 100. Unknown is null, never 0. received = exported + excluded + failed once a run is done.',
  fields: (t) => ({
    total: t.expose('total', {
      type: 'BigInt',
      nullable: true,
      description: 'How many profiles there are to look at; null until that is known.',
    }),
    received: t.expose('received', { type: 'BigInt', description: 'Profiles looked at so far.' }),
    exported: t.expose('exported', {
      type: 'BigInt',
      description: 'Profiles delivered; for a segmentation job, profiles found to be members.',
    }),
    excluded: t.expose('excluded', {
      type: 'BigInt',
      description: 'Profiles left out on purpose: no consent, a missing required field, a duplicate.',
    }),
    failed: t.expose('failed', { type: 'BigInt', description: 'Profiles that were refused.' }),
    bytes: t.expose('bytes', { type: 'BigInt', description: 'Bytes delivered so far.' }),
    files: t.exposeInt('files', { description: 'Files finished so far.' }),
    percent: t.float({
      nullable: true,
      description: 'received of total, 0 to 100; null while the total is unknown.',
      resolve: percentOf,
    }),
    rowsPerSecond: t.float({
      nullable: true,
      description: 'The mean since the start; null unless running.',
      resolve: rateOf,
    }),
    estimatedCompletionAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it will be done at that rate; null while there is nothing to reckon with.',
      resolve: estimateOf,
    }),
  }),
})

export const runFailure = builder.objectRef<RunFailure>('RunFailure').implement({
  description: 'Why a run or a segmentation job failed.',
  fields: (t) => ({
    code: t.exposeString('code', { description: 'A stable name of the cause, in capitals.' }),
    message: t.exposeString('message', { description: 'The cause, and what to do about it.' }),
    retryable: t.exposeBoolean('retryable', {
      description: 'Whether the same may succeed when tried again.',
    }),
  }),
})
