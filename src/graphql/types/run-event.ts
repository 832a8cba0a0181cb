import { authorize } from '../../domain/access.ts'
import { notFound, Refusal } from '../../domain/errors.ts'
import { decodeLogCursor, encodeLogCursor, notOfThisLog } from '../../storage/log-cursor.ts'
import { TERMINAL_STATUSES } from '../../storage/run-event.ts'
import type { Row } from '../../storage/tables.ts'
import { builder } from '../builder.ts'
import type { ApiContext } from '../context.ts'
import { present, run } from '../refs.ts'
import { liveStream, logStream } from '../stream.ts'
import { progress } from './progress.ts'
import { progressOf } from './run.ts'
import { runEventType, runPhase, runStatus } from './run-enums.ts'

const runEvent = builder.objectRef<Row<'runEvents'>>('RunEvent').implement({
  description: 'Something that happened to a run, and how it stood then.',
  fields: (t) => ({
    cursor: t.string({
      description: 'Its place in the story: pass the last one seen as `after` to go on from there.',
      resolve: ({ runId, seq }) => encodeLogCursor(runId, seq),
    }),
    run: t.field({
      type: run,
      description: 'The run as it is now, which may be further than this event.',
      resolve: ({ runId }, _, { loaders }) => present(loaders.run.load(runId)),
    }),
    type: t.expose('type', { type: runEventType, description: 'What happened.' }),
    status: t.expose('status', { type: runStatus, description: 'How the run stood then.' }),
    phase: t.expose('phase', { type: runPhase, description: 'What it was doing then.' }),
    progress: t.field({
      type: progress,
      description: 'How far it was then.',
      resolve: async (event, _, { loaders }) => {
        const { startedAt } = await present(loaders.run.load(event.runId))
        return progressOf(event, { at: event.at, startedAt })
      },
    }),
    message: t.exposeString('message', { nullable: true, description: 'More about it, for people.' }),
    at: t.expose('at', { type: 'DateTime', description: 'When it happened.' }),
  }),
})

builder.subscriptionField('runEvents', (t) =>
  t.field({
    type: runEvent,
    description:
      'The story of one run, from the beginning or from just after a cursor, then live, in order, with no gap and no repeat, and the last event is terminal. A client that lost its connection passes the last cursor it saw.',
    args: {
      runId: t.arg.id({ required: true, description: 'Whose story, run_….' }),
      after: t.arg.string({ description: 'The cursor of the last event already seen.' }),
    },
    subscribe: (_, { runId, after }, ctx) => follow(ctx, runId, after ?? null),
    resolve: (event) => event,
  }),
)

async function follow(ctx: ApiContext, runId: string, after: string | null) {
  authorize(ctx.session, 'metadata:read')
  const row = await ctx.loaders.run.load(runId)
  if (!row) throw new Refusal(notFound('run', runId, ['runId']))
  const seq = after === null ? 0 : decodeLogCursor(after, runId)
  if (seq > row.eventSeq) throw notOfThisLog()
  // Nothing comes after the terminal event: whoever has seen it is done at once.
  const isOver = TERMINAL_STATUSES.includes(row.status) && seq >= row.eventSeq
  if (isOver) return liveStream(ctx, nothing)
  return logStream(ctx, { feed: ctx.parts.feed, key: runId, after: seq })
}

async function* nothing(): AsyncGenerator<never> {}
