import { builder } from '../builder.ts'
import { payload, payloadType } from '../payload.ts'
import { run } from '../refs.ts'

const runPayload = payloadType({ name: 'RunPayload', key: 'run', type: run, what: 'The run' })

builder.mutationFields((t) => ({
  cancelRun: t.field({
    type: runPayload,
    description:
      'Stops a run before its files appear. A queued run ends at once, a processing one as soon as its worker sees it.',
    args: { id: t.arg.id({ required: true, description: 'Its id, run_….' }) },
    resolve: (_, { id }, { session, parts }) => payload('run', parts.services.run.cancel(session, id)),
  }),
  retryRun: t.field({
    type: runPayload,
    description:
      'A new run of the same segment, snapshot and dataflow. Into an API it goes on where an unsuccessful run stood.',
    args: { id: t.arg.id({ required: true, description: 'The id of a run that has ended, run_….' }) },
    resolve: (_, { id }, { session, parts }) => payload('run', parts.services.run.retry(session, id)),
  }),
  retryRejections: t.field({
    type: runPayload,
    description: 'A new run of only the profiles that the destination refused.',
    args: { id: t.arg.id({ required: true, description: 'The id of a run that has ended, run_….' }) },
    resolve: (_, { id }, { session, parts }) =>
      payload('run', parts.services.run.retryRejections(session, id)),
  }),
}))
