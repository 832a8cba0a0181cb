import { authorize } from '../../domain/access.ts'
import type { JobStatus, SegmentFailure } from '../../domain/model.ts'
import type { ProgressFacts } from '../../domain/progress.ts'
import { builder } from '../builder.ts'
import { pageArgs } from '../connection.ts'
import { objectQuery } from '../object-query.ts'
import { present, segment, segmentationJob, segmentationJobConnection } from '../refs.ts'
import { selectionOf } from '../selection.ts'
import { trigger } from './common.ts'
import { node } from './node.ts'
import { progress, runFailure } from './progress.ts'

const jobStatus = builder.enumType('JobStatus', {
  description: 'How a segmentation job stands.',
  values: {
    QUEUED: { description: 'Waits for a worker.' },
    PROCESSING: { description: 'A worker is at it.' },
    SUCCEEDED: { description: 'Every segment has its new snapshot.' },
    FAILED: {
      description:
        'Ended with an error. Segments in `failures` keep the snapshot that they had, all others have a new one; without failures no snapshot was changed.',
    },
    CANCELLED: { description: 'Stopped on request.' },
  },
})

const segmentFailure = builder.objectRef<SegmentFailure>('SegmentFailure').implement({
  description: 'A segment that a segmentation job could not evaluate: it keeps the snapshot that it had.',
  fields: (t) => ({
    segment: t.field({
      type: segment,
      description: 'Which one.',
      resolve: ({ segmentId }, _, { loaders }, info) =>
        present(loaders.segment.load(segmentId, selectionOf(info))),
    }),
    error: t.field({
      type: runFailure,
      description: 'Why. DEPENDENCY_FAILED: its rule names a segment that failed.',
      resolve: (failure) => failure,
    }),
  }),
})

segmentationJob.implement({
  description: 'One evaluation of segments on the profiles as they are.',
  interfaces: [node],
  fields: (t) => ({
    status: t.expose('status', { type: jobStatus, description: 'How it stands.' }),
    trigger: t.expose('trigger', { type: trigger, description: 'What set it off.' }),
    progress: t.field({
      type: progress,
      description: 'How far it is. Counts each profile once per segment.',
      resolve: (job, _, { parts }): ProgressFacts => {
        const { total, received, exported, startedAt } = job
        const nothing = { excluded: 0, failed: 0, bytes: 0, files: 0 }
        const state = stateOf(job.status)
        return { ...nothing, total, received, exported, startedAt, at: parts.clock(), state }
      },
    }),
    error: t.expose('error', {
      type: runFailure,
      nullable: true,
      description: 'Why it failed; null when it did not.',
    }),
    failures: t.field({
      type: [segmentFailure],
      description: 'The segments that could not be evaluated, in the order of evaluation.',
      resolve: ({ failures }) => failures ?? [],
    }),
    dueAt: t.expose('dueAt', {
      type: 'DateTime',
      nullable: true,
      description: 'The time of the schedule that it is for; null when it was asked for.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was asked for.' }),
    startedAt: t.expose('startedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When a worker took it up.',
    }),
    completedAt: t.expose('completedAt', { type: 'DateTime', nullable: true, description: 'When it ended.' }),
  }),
})

function stateOf(status: JobStatus): ProgressFacts['state'] {
  if (status === 'QUEUED') return 'WAITING'
  return status === 'PROCESSING' ? 'RUNNING' : 'DONE'
}

const filter = builder.inputType('SegmentationJobFilter', {
  description: 'Conditions that must all hold. What is absent or null does not filter.',
  fields: (t) => ({
    status: t.field({ type: [jobStatus], description: 'In one of these states.' }),
    trigger: t.field({ type: [trigger], description: 'Set off in one of these ways.' }),
  }),
})

builder.queryField('segmentationJobs', (t) =>
  t.field({
    type: segmentationJobConnection,
    description: 'The segmentation jobs of this sandbox, newest first.',
    args: { filter: t.arg({ type: filter, description: 'Only those that match.' }), ...pageArgs(t.arg) },
    resolve: (_, { filter, ...args }, { session, stores, parts }) => {
      authorize(session, 'metadata:read')
      const { maxPageSize } = parts.guardrails
      return stores.segmentationJob.page({ sandboxId: session.sandbox.id, filter, args, maxPageSize })
    },
  }),
)

objectQuery({ noun: 'segmentationJob', type: segmentationJob, words: 'segmentation job' })
