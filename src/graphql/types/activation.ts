import type { RunFacts } from '../../storage/run.ts'
import { builder } from '../builder.ts'
import { objectQuery } from '../object-query.ts'
import { activation, pairFields, run } from '../refs.ts'
import { node } from './node.ts'

const order = builder.objectRef<RunFacts>('ActivationOrder').implement({
  description: 'One segment through one dataflow, and the run that sends it.',
  fields: (t) => ({
    ...pairFields(t),
    run: t.field({ type: run, description: 'The run that sends it.', resolve: (row) => row }),
  }),
})

activation.implement({
  description: 'A request to send mapped segments now.',
  interfaces: [node],
  fields: (t) => ({
    orders: t.field({
      type: [order],
      description: 'One per dataflow and segment, in the order in which they were asked for.',
      extensions: { listSize: 'maxSegmentsPerActivation' },
      resolve: ({ id }, _, { loaders }) => loaders.runsOfActivation.load(id),
    }),
    requestedBy: t.exposeString('requestedBy', { description: 'The name of the token that asked.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was asked for.' }),
  }),
})

objectQuery({ noun: 'activation', type: activation })
