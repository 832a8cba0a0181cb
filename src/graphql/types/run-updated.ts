import { authorize } from '../../domain/access.ts'
import { builder } from '../builder.ts'
import { run } from '../refs.ts'
import { liveStream } from '../stream.ts'
import { decodeRunFilter, runFilter } from './run-filter.ts'

builder.subscriptionField('runUpdated', (t) =>
  t.field({
    type: run,
    description:
      'Every run that matches, each time it changes: what a dashboard shows. It begins with the runs that match and are active or ended within the last minute, so that nothing is missed between asking for `runs` and subscribing. A slow reader is sent the newest state, not a backlog. A run that stops matching, because its status changes, is sent once more, as it is then.',
    args: {
      filter: t.arg({
        type: runFilter,
        description: 'Only those that match; all of the sandbox when absent.',
      }),
    },
    subscribe: (_, args, ctx) => {
      const { session, parts } = ctx
      authorize(session, 'metadata:read')
      const filter = decodeRunFilter(args.filter)
      return liveStream(ctx, (signal) => parts.runWatch.changes(session.sandbox.id, filter, signal))
    },
    resolve: (row) => row,
  }),
)
