import { authorize } from '../../domain/access.ts'
import { type DataflowStanding, healthOf, overdueSlotsOf } from '../../domain/health.ts'
import type { FieldMapping } from '../../domain/model.ts'
import { nextDue } from '../../domain/schedule.ts'
import type { StandingRow } from '../../storage/dataflow-standing.ts'
import { builder } from '../builder.ts'
import { pageArgs } from '../connection.ts'
import { objectQuery } from '../object-query.ts'
import {
  dataflow,
  dataflowConnection,
  destination,
  present,
  runConnection,
  segmentMappingConnection,
} from '../refs.ts'
import { reads, selectionOf } from '../selection.ts'
import { ORDER_FIELDS, orderInput } from './common.ts'
import { fileFormat } from './file-format.ts'
import { node } from './node.ts'
import { runFilter, runOrder } from './run-filter.ts'
import { MAPPING_LOOKUP, mappingArgs, mappingPage } from './segment-mapping.ts'

const dataflowState = builder.enumType('DataflowState', {
  description: 'Whether a dataflow runs.',
  values: {
    ENABLED: { description: 'Its segments may be sent.' },
    DISABLED: { description: 'Nothing is sent through it until it is enabled again.' },
  },
})

const dataflowHealth = builder.enumType('DataflowHealth', {
  description: 'Whether what is scheduled is sent. Of several segments, the worst counts.',
  values: {
    HEALTHY: {
      description: 'Every slot that has come was dealt with, and no newest scheduled run has failed.',
    },
    LATE: {
      description:
        'A slot has passed 15 minutes ago or more and has no run, or its run waits; or a run that was made late has not ended.',
    },
    FAILING: { description: 'The newest scheduled run of a segment has failed.' },
    PAUSED: { description: 'The dataflow or its destination is disabled: no slots count.' },
  },
})

export const SOURCE =
  "A dotted path into the profile's attributes; or `segmentMembership.status`, which is `realized` of members, and in an increment `exited` of those that have left."

const fieldMapping = builder.objectRef<FieldMapping>('FieldMapping').implement({
  description: 'Which attribute goes into which column or field.',
  fields: (t) => ({
    source: t.exposeString('source', { description: SOURCE }),
    target: t.exposeString('target', { description: "The column, or the destination's field." }),
    required: t.exposeBoolean('required', {
      description: 'Profiles without a value in a required field are left out and counted as excluded.',
    }),
  }),
})

dataflow.implement({
  description:
    'A destination, the segments that are mapped to it, the fields each file or contact carries, and when it runs.',
  interfaces: [node],
  fields: (t) => ({
    name: t.exposeString('name', { description: 'What people call it.' }),
    description: t.exposeString('description', { nullable: true, description: 'What it is for.' }),
    destination: t.field({
      type: destination,
      description: 'Where it leads.',
      ...reads('destinationId'),
      resolve: ({ destinationId }, _, { loaders }, info) =>
        present(loaders.destination.load(destinationId, selectionOf(info))),
    }),
    state: t.expose('state', { type: dataflowState, description: 'Whether it runs.' }),
    fields: t.expose('fields', {
      type: [fieldMapping],
      description: 'What each row or contact carries, in the order of the columns.',
    }),
    deduplicateBy: t.exposeStringList('deduplicateBy', {
      description:
        'Attributes that make two profiles the same: only one of them is sent, the others are counted as excluded.',
    }),
    consentAttribute: t.exposeString('consentAttribute', {
      nullable: true,
      description: 'Only profiles where this attribute is true are sent; the others are counted as excluded.',
    }),
    fileFormat: t.expose('fileFormat', {
      type: fileFormat,
      nullable: true,
      description: 'How files are written; null where the destination takes none.',
    }),
    segmentMappings: t.field({
      type: segmentMappingConnection,
      description: 'The segments mapped in it, oldest first, unmapped ones included.',
      args: mappingArgs(t.arg),
      extensions: { ...MAPPING_LOOKUP, ...reads('id').extensions },
      resolve: ({ id }, args, { pages, parts }, info) =>
        pages.mappingsOfDataflow.load(id, mappingPage(args, parts.guardrails, info)),
    }),
    runs: t.field({
      type: runConnection,
      description: 'Its runs, newest first unless ordered otherwise.',
      args: {
        filter: t.arg({ type: runFilter, description: 'Only those that match.' }),
        orderBy: t.arg({ type: runOrder, description: 'Another order than newest first.' }),
        ...pageArgs(t.arg),
      },
      ...reads('id'),
      resolve: ({ id }, { filter, orderBy, ...args }, { pages }, info) =>
        pages.runsOfDataflow.load(id, { filter, orderBy, args, only: selectionOf(info) }),
    }),
    nextRunAt: t.field({
      type: 'DateTime',
      nullable: true,
      description:
        'When the schedule of one of its active mappings is next due, whichever is first. Null when none is due any more, when they follow the evaluation of their segments, and while the dataflow or its destination is disabled.',
      resolve: async ({ id }, _, { loaders, parts }) => {
        const rows = await loaders.schedulesOfDataflow.load(id)
        return nextDue(
          rows.map(({ schedule }) => schedule),
          parts.clock(),
        )
      },
    }),
    lastSuccessAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When a run of it last succeeded, ad-hoc or scheduled; null when none has.',
      ...reads('id'),
      resolve: async ({ id }, _, { loaders }) =>
        (await loaders.standingsOfDataflow.load(id))[0]?.lastSuccessAt ?? null,
    }),
    missedSlots: t.int({
      description:
        'Slots of its schedules in the last 30 days for which nothing ran: those that passed while no scheduler ran or a run took too long, and those that are overdue now.',
      ...reads('id'),
      resolve: async ({ id }, _, { loaders, parts }) =>
        missedSlotsOf(await loaders.standingsOfDataflow.load(id), parts.clock()),
    }),
    health: t.field({
      type: dataflowHealth,
      description: 'Whether what is scheduled is sent: reckoned from the schedules and the time it is now.',
      ...reads('id'),
      resolve: async ({ id }, _, { loaders, parts }) =>
        healthNow(await loaders.standingsOfDataflow.load(id), parts.clock()),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
  }),
})

function standingOf(rows: readonly StandingRow[]): DataflowStanding {
  const { state = 'DISABLED', destinationStatus = 'DISABLED' } = rows[0] ?? {}
  return { state, destinationStatus, mappings: rows.flatMap(({ mapping }) => mapping ?? []) }
}
const healthNow = (rows: readonly StandingRow[], now: Date) => healthOf(standingOf(rows), now)

function missedSlotsOf(rows: readonly StandingRow[], now: Date): number {
  const recorded = rows.reduce((sum, { missedSlots }) => sum + missedSlots, 0)
  return recorded + overdueSlotsOf(standingOf(rows), now)
}

const filter = builder.inputType('DataflowFilter', {
  description: 'Conditions that must all hold. What is absent or null does not filter.',
  fields: (t) => ({
    ids: t.idList({ description: 'Only those with these ids.' }),
    destinationId: t.id({ description: 'To this destination.' }),
    segmentId: t.id({ description: 'With this segment mapped in them.' }),
    state: t.field({ type: [dataflowState], description: 'In one of these states.' }),
    search: t.string({ description: 'Text in the name, whatever the case, taken literally.' }),
  }),
})
const order = orderInput('Dataflow', 'dataflows', ORDER_FIELDS)

objectQuery({ noun: 'dataflow', type: dataflow, action: 'mappings:read' })
builder.queryField('dataflows', (t) =>
  t.field({
    type: dataflowConnection,
    description: 'The dataflows of this sandbox, oldest first unless ordered otherwise.',
    args: {
      filter: t.arg({ type: filter, description: 'Only those that match.' }),
      orderBy: t.arg({ type: order, description: 'Another order than oldest first.' }),
      ...pageArgs(t.arg),
    },
    resolve: (_, { filter, orderBy, ...args }, { session, stores, parts }, info) => {
      authorize(session, 'metadata:read')
      const { maxPageSize } = parts.guardrails
      const { id: sandboxId } = session.sandbox
      const only = selectionOf(info)
      return stores.dataflow.page({ sandboxId, filter, orderBy, args, maxPageSize, only })
    },
  }),
)
