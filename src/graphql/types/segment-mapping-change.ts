import { authorize } from '../../domain/access.ts'
import { notFound, Refusal } from '../../domain/errors.ts'
import { decodeLogCursor, encodeLogCursor, notOfThisLog } from '../../storage/log-cursor.ts'
import type { Row } from '../../storage/tables.ts'
import { builder } from '../builder.ts'
import type { ApiContext } from '../context.ts'
import { present, segmentMapping } from '../refs.ts'
import { logStream } from '../stream.ts'

const segmentMappingChange = builder.objectRef<Row<'mappingChanges'>>('SegmentMappingChange').implement({
  description: 'Something about a mapping of a destination is new.',
  fields: (t) => ({
    cursor: t.string({
      description: 'Its place among the changes: pass the last one seen as `after` to go on from there.',
      resolve: ({ destinationId, seq }) => encodeLogCursor(destinationId, seq),
    }),
    mapping: t.field({
      type: segmentMapping,
      description:
        'The mapping as it is now, which may be further than this change; DELETED when it was unmapped.',
      resolve: ({ mappingId }, _, { loaders }) => present(loaders.segmentMapping.load(mappingId)),
    }),
    at: t.expose('at', { type: 'DateTime', description: 'When it changed.' }),
  }),
})

builder.subscriptionField('segmentMappingChanged', (t) =>
  t.field({
    type: segmentMappingChange,
    description:
      'Segments whose name, description or status changed for a destination, for partners that keep a copy: mapped, unmapped (they stay visible as DELETED), mapped again, renamed, described anew, exported between other days. From the beginning or from just after a cursor, then live, in order, with no gap and no repeat; it does not end by itself. A client that lost its connection passes the last cursor it saw.',
    args: {
      destinationId: t.arg.id({ required: true, description: 'Of which destination, dst_….' }),
      after: t.arg.string({ description: 'The cursor of the last change already seen.' }),
    },
    subscribe: (_, { destinationId, after }, ctx) => follow(ctx, destinationId, after ?? null),
    resolve: (change) => change,
  }),
)

async function follow(ctx: ApiContext, destinationId: string, after: string | null) {
  authorize(ctx.session, 'mappings:read')
  const row = await ctx.loaders.destination.load(destinationId)
  if (!row) throw new Refusal(notFound('destination', destinationId, ['destinationId']))
  const seq = after === null ? 0 : decodeLogCursor(after, destinationId)
  if (seq > row.changeSeq) throw notOfThisLog()
  return logStream(ctx, { feed: ctx.parts.mappingFeed, key: destinationId, after: seq })
}
