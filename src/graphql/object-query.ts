import { type Action, authorize } from '../domain/access.ts'
import { ID_PREFIXES } from '../domain/model.ts'
import { builder } from './builder.ts'
import type { TypeRef } from './connection.ts'
import type { ApiContext } from './context.ts'
import { selectionOf } from './selection.ts'

type Queried =
  | 'activation'
  | 'dataflow'
  | 'destination'
  | 'destinationAccount'
  | 'notificationTarget'
  | 'run'
  | 'segment'
  | 'segmentationJob'
type RowOf<Noun extends Queried> = NonNullable<Awaited<ReturnType<ApiContext['loaders'][Noun]['load']>>>

/**
 * Defines the query for one object by its id, for whoever may read such objects. `words` name it in descriptions;
 * which of them the session may see is the loader's matter.
 */
export function objectQuery<Noun extends Queried>(options: {
  noun: Noun
  type: TypeRef<RowOf<Noun>>
  words?: string
  action?: Action
}) {
  const { noun, type, words = noun, action = 'metadata:read' } = options
  builder.queryField(noun, (t) =>
    t.field({
      type,
      nullable: true,
      description: `One ${words}; null when there is none with this id.`,
      args: { id: t.arg.id({ required: true, description: `Its id, ${ID_PREFIXES[noun]}_….` }) },
      resolve: (_, { id }, { session, loaders }, info) => {
        authorize(session, action)
        // Pothos cannot resolve the shape of a type parameter; it is the noun's row by construction.
        return loaders[noun].load(id, selectionOf(info)) as never
      },
    }),
  )
}
