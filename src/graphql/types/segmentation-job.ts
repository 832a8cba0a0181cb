import type { JobStatus } from '../../domain/model.ts'
import type { ProgressFacts } from '../../domain/progress.ts'
import { builder } from '../builder.ts'
import { objectQuery } from '../object-query.ts'
import { segmentationJob } from '../refs.ts'
import { trigger } from './common.ts'
import { node } from './node.ts'
import { progress, runFailure } from './progress.ts'

const jobStatus = builder.enumType('JobStatus', {
  description: 'How a segmentation job stands.',
  values: {
    QUEUED: { description: 'Waits for a worker.' },
    PROCESSING: { description: 'A worker is at it.' },
    SUCCEEDED: { description: 'Every segment has its new snapshot.' },
    FAILED: { description: 'Ended with an error; no snapshot was changed.' },
    CANCELLED: { description: 'Stopped on request.' },
  },
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

objectQuery({ noun: 'segmentationJob', type: segmentationJob, words: 'segmentation job' })
