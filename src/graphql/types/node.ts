import { authorize } from '../../domain/access.ts'
import { ID_PREFIXES, type Noun } from '../../domain/model.ts'
import { builder } from '../builder.ts'
import type { ApiContext } from '../context.ts'
import { atMost } from '../input.ts'

const TYPE_NAMES: Record<Noun, string> = {
  sandbox: 'Sandbox',
  apiToken: 'ApiToken',
  segment: 'Segment',
  snapshot: 'SegmentSnapshot',
  segmentationJob: 'SegmentationJob',
  destinationAccount: 'DestinationAccount',
  destination: 'Destination',
  dataflow: 'Dataflow',
  segmentMapping: 'SegmentMapping',
  activation: 'Activation',
  run: 'Run',
  notificationTarget: 'NotificationTarget',
}
const NOUNS = new Map<string, Noun>()
// Object.entries widens the keys of a record to string.
for (const [noun, prefix] of Object.entries(ID_PREFIXES)) NOUNS.set(prefix, noun as Noun)

export const node = builder.interfaceRef<{ id: string }>('Node').implement({
  description:
    'Every object with an identity. Ids are opaque, prefixed and time-ordered (seg_…, dst_…, flow_…, run_…, acc_…), the same in GraphQL, REST, files and logs.',
  resolveType: ({ id }) => {
    const noun = nounOf(id)
    return noun && TYPE_NAMES[noun]
  },
  fields: (t) => ({
    id: t.exposeID('id', { description: 'Its id: opaque, good for `node`, and the same for ever.' }),
  }),
})

/** Loads any object by its id; null for what is malformed, absent, elsewhere or not for this session. */
export async function loadNode(ctx: ApiContext, id: string): Promise<{ id: string } | null> {
  const noun = nounOf(id)
  return noun ? ctx.loaders[noun].load(id) : null
}

function nounOf(id: string): Noun | undefined {
  return /^[a-z]+_[0-9a-f]{32}$/.test(id) ? NOUNS.get(id.slice(0, id.indexOf('_'))) : undefined
}

builder.queryFields((t) => ({
  node: t.field({
    type: node,
    nullable: true,
    description: 'Any object by its id. Null for an id that is unknown, malformed or of another sandbox.',
    args: { id: t.arg.id({ required: true, description: 'The id, of whatever kind.' }) },
    resolve: (_, { id }, ctx) => {
      authorize(ctx.session, 'mappings:read')
      return loadNode(ctx, id)
    },
  }),
  nodes: t.field({
    type: [node],
    nullable: { list: false, items: true },
    description: 'Objects by their ids, in that order, with null where there is none. At most 250.',
    args: { ids: t.arg.idList({ required: true, description: 'The ids, of whatever kinds.' }) },
    resolve: (_, { ids }, ctx) => {
      authorize(ctx.session, 'mappings:read')
      return atMost(ids, ['ids']).map((id) => loadNode(ctx, id))
    },
  }),
}))
