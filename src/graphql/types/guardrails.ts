import type { Guardrails } from '../../domain/ports.ts'
import { builder } from '../builder.ts'

const guardrails = builder.objectRef<Guardrails>('Guardrails').implement({
  description: 'The limits that the gateway enforces, as data.',
  fields: (t) => ({
    maxSegmentsPerActivation: t.exposeInt('maxSegmentsPerActivation', {
      description: 'Segments in one `activate`.',
    }),
    minSecondsBetweenMappingAndAdHoc: t.exposeInt('minSecondsBetweenMappingAndAdHoc', {
      description: 'From mapping a segment to its first ad-hoc run.',
    }),
    maxRowsPerFile: t.exposeInt('maxRowsPerFile', {
      description: 'Rows before an export goes on in a new file.',
    }),
    maxSegmentsPerDestination: t.exposeInt('maxSegmentsPerDestination', {
      description: 'Segments mapped to one destination.',
    }),
    maxFieldsPerDataflow: t.exposeInt('maxFieldsPerDataflow', {
      description: 'Mapped fields of one dataflow.',
    }),
    maxDestinationsPerSandbox: t.exposeInt('maxDestinationsPerSandbox', {
      description: 'Destinations of one sandbox, removed ones not counted.',
    }),
    maxPageSize: t.exposeInt('maxPageSize', { description: 'The greatest first and last.' }),
    maxQueryDepth: t.exposeInt('maxQueryDepth', {
      description: 'How deep the fields of a document may nest.',
    }),
    maxQueryCost: t.exposeInt('maxQueryCost', {
      description:
        'How many fields a document may ask for, counting those in lists as often as the list is long.',
    }),
  }),
})

builder.queryField('guardrails', (t) =>
  t.field({
    type: guardrails,
    description: 'The limits that the gateway enforces, as data.',
    resolve: (_, __, { parts }) => parts.guardrails,
  }),
)
