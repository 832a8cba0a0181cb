import type { ActivateInput, ActivationError } from '../../domain/activation.ts'
import type { ActivationForecast } from '../../services/activation.ts'
import type { Row } from '../../storage/tables.ts'
import { builder } from '../builder.ts'
import { activation, pairFields } from '../refs.ts'
import { activationError } from './activation-error.ts'

const dataflowInput = builder.inputType('DataflowActivationInput', {
  description: 'Segments to send through one dataflow.',
  fields: (t) => ({
    dataflowId: t.id({ required: true, description: 'Which dataflow, flow_….' }),
    segmentIds: t.idList({ required: true, description: 'Which of the segments that are mapped in it.' }),
  }),
})
const activateInput = builder.inputRef<ActivateInput, false>('ActivateInput').implement({
  description: 'What to send now.',
  fields: (t) => ({
    activations: t.field({
      type: [dataflowInput],
      required: true,
      description: 'Which segments to send now, by dataflow.',
    }),
    idempotencyKey: t.string({
      description:
        'The same key with the same input returns the first answer again; with another input it is an error. Kept for 24 hours at least.',
    }),
  }),
})

interface ActivatePayload {
  activation: Row<'activations'> | null
  errors: ActivationError[]
}
const activatePayload = builder.objectRef<ActivatePayload>('ActivatePayload').implement({
  description:
    'All or nothing: either an activation with one order per dataflow and segment, or every reason why not.',
  fields: (t) => ({
    activation: t.expose('activation', {
      type: activation,
      nullable: true,
      description: 'The activation; null when there are errors.',
    }),
    errors: t.expose('errors', {
      type: [activationError],
      description: 'Every reason why nothing is sent; empty when everything is.',
    }),
  }),
})

const forecast = builder.objectRef<ActivationForecast>('ActivationForecast').implement({
  description: 'What one order would send.',
  fields: (t) => ({
    ...pairFields(t),
    profileCount: t.expose('profileCount', {
      type: 'BigInt',
      description: 'Members of its latest snapshot, before anybody is excluded.',
    }),
    evaluatedAt: t.expose('evaluatedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When that snapshot was made; null when there is none.',
    }),
  }),
})
interface Check {
  errors: ActivationError[]
  forecasts: ActivationForecast[]
}
const activationCheck = builder.objectRef<Check>('ActivationCheck').implement({
  description: 'What `activate` would answer.',
  fields: (t) => ({
    ok: t.boolean({ description: 'Whether it would be done.', resolve: ({ errors }) => errors.length === 0 }),
    errors: t.expose('errors', {
      type: [activationError],
      description: 'Every reason why not.',
    }),
    orders: t.field({
      type: [forecast],
      description: 'The orders it would make.',
      extensions: { listSize: 'maxSegmentsPerActivation' },
      resolve: ({ forecasts }) => forecasts,
    }),
  }),
})

builder.queryField('checkActivation', (t) =>
  t.field({
    type: activationCheck,
    description:
      "A dry run of `activate`: every guardrail's verdict and the number of profiles per file. Nothing is stored.",
    args: { input: t.arg({ type: activateInput, required: true, description: 'What to check.' }) },
    resolve: (_, { input }, { session, parts }) => parts.services.activation.check(session, input),
  }),
)

builder.mutationField('activate', (t) =>
  t.field({
    type: activatePayload,
    description: 'Sends mapped segments now: queues one run per dataflow and segment, all or none of them.',
    args: { input: t.arg({ type: activateInput, required: true, description: 'What to send.' }) },
    resolve: async (_, { input }, { session, parts }) => {
      const answer = await parts.services.activation.activate(session, input)
      return 'errors' in answer
        ? { activation: null, errors: answer.errors }
        : { activation: answer.activation, errors: [] }
    },
  }),
)
