import type { ArgBuilder } from '@pothos/core'
import type { GraphQLResolveInfo } from 'graphql'
import type { Guardrails } from '../../domain/ports.ts'
import type { PageArgs } from '../../storage/paging.ts'
import { MAX_NUMBERS, type SegmentMappingFilter } from '../../storage/segment-mapping.ts'
import { builder } from '../builder.ts'
import { pageArgs, type Types } from '../connection.ts'
import { destination, pairFields, present, run, segment, segmentMapping } from '../refs.ts'
import { JOINED, reads, selectionOf } from '../selection.ts'
import { node } from './node.ts'
import { exportMode, schedule } from './schedule.ts'

const mappingStatus = builder.enumType('MappingStatus', {
  description: 'Whether a segment is sent through a dataflow.',
  values: {
    ACTIVE: { description: 'It is sent.' },
    INACTIVE: { description: 'It is mapped, and nothing is sent for now.' },
    DELETED: { description: 'It was unmapped; partners still see the row.' },
  },
})

segmentMapping.implement({
  description: 'One segment in one dataflow: the row a partner looks a segment up by.',
  interfaces: [node],
  fields: (t) => ({
    number: t.exposeInt('number', { description: '`destinationMappingId` of the partner API.' }),
    ...pairFields(t),
    segment: t.field({
      type: segment,
      description: 'The segment in question.',
      ...JOINED,
      resolve: (row, _, { loaders }, info) =>
        // Whoever may see a mapping may see its segment.
        row.segment ?? present(loaders.segment.load(row.segmentId, selectionOf(info))),
    }),
    destination: t.field({
      type: destination,
      description: 'Where the dataflow leads.',
      ...reads('destinationId'),
      resolve: ({ destinationId }, _, { loaders }, info) =>
        present(loaders.destination.load(destinationId, selectionOf(info))),
    }),
    elementName: t.exposeString('elementName', {
      description: 'The name that the partner sees; `elementName` of the partner API.',
    }),
    elementDescription: t.exposeString('elementDescription', {
      nullable: true,
      description: '`elementDescription` of the partner API.',
    }),
    elementStatus: t.expose('elementStatus', {
      type: mappingStatus,
      description: '`elementStatus` of the partner API.',
    }),
    schedule: t.expose('schedule', {
      type: schedule,
      description: 'When it is exported.',
    }),
    exportMode: t.expose('exportMode', {
      type: exportMode,
      description: 'What scheduled runs send.',
    }),
    filenameTemplate: t.exposeString('filenameTemplate', {
      nullable: true,
      description: 'How its files are named; null for the default.',
    }),
    activatedAt: t.expose('activatedAt', { type: 'DateTime', description: 'When it was mapped.' }),
    adHocAllowedFrom: t.expose('adHocAllowedFrom', {
      type: 'DateTime',
      description: 'From when on ad-hoc activation is allowed.',
    }),
    lastRun: t.field({
      type: run,
      nullable: true,
      description: 'Its newest run; null when it was never sent.',
      ...reads('id'),
      resolve: async ({ id }, _, { loaders }) => (await loaders.runsOfMapping.load(id))[0],
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the row was made.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
  }),
})

export const segmentMappingFilter = builder.inputType('SegmentMappingFilter', {
  description: 'Conditions that must all hold. What is absent or null does not filter.',
  fields: (t) => ({
    numbers: t.intList({
      description:
        'Only those with these numbers, at most 1,000. They come on one page: first and last may be as great as their count, and that is what a page holds when neither is given.',
    }),
    status: t.field({ type: [mappingStatus], description: 'In one of these states.' }),
    search: t.string({ description: 'Text in elementName, whatever the case, taken literally.' }),
    updatedSince: t.field({ type: 'DateTime', description: 'Changed at this moment or later.' }),
  }),
})

/** The arguments of a list of mappings below a destination or a dataflow. */
export const mappingArgs = (t: ArgBuilder<Types>) => ({
  filter: t({ type: segmentMappingFilter, description: 'Only those that match.' }),
  ...pageArgs(t),
})

/** For the cost of such a list: it is as long as what is looked up. */
export const MAPPING_LOOKUP = { lookup: { by: 'numbers', max: MAX_NUMBERS } } as const

/** What such a list asks its store for: a lookup by numbers is answered on one page. */
export function mappingPage(
  { filter, ...args }: PageArgs & { filter?: SegmentMappingFilter | null | undefined },
  { maxPageSize }: Guardrails,
  info: GraphQLResolveInfo,
) {
  const asked = filter?.numbers?.length ?? 0
  const isSized = asked === 0 || args.first != null || args.last != null
  return {
    filter,
    args: isSized ? args : { ...args, first: asked },
    maxPageSize: Math.max(maxPageSize, asked),
    only: selectionOf(info),
  }
}
