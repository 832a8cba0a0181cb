import { present, segment, segmentationJob, snapshot } from '../refs.ts'
import { node } from './node.ts'

snapshot.implement({
  description: 'One finished evaluation of a segment: who its members were at a moment.',
  interfaces: [node],
  fields: (t) => ({
    segment: t.field({
      type: segment,
      description: 'The segment that was evaluated.',
      resolve: ({ segmentId }, _, { loaders }) => present(loaders.segment.load(segmentId)),
    }),
    job: t.field({
      type: segmentationJob,
      description: 'The job that made it.',
      resolve: ({ jobId }, _, { loaders }) => present(loaders.segmentationJob.load(jobId)),
    }),
    evaluatedAt: t.expose('evaluatedAt', {
      type: 'DateTime',
      description: 'The moment whose members it holds.',
    }),
    profileCount: t.expose('profileCount', { type: 'BigInt', description: 'How many members it has.' }),
    entered: t.expose('entered', {
      type: 'BigInt',
      description: 'Profiles that are in this snapshot and were not in the one before.',
    }),
    exited: t.expose('exited', {
      type: 'BigInt',
      description: 'Profiles that were in the one before and are not in this snapshot.',
    }),
  }),
})
