import { authorize } from '../../domain/access.ts'
import { builder } from '../builder.ts'
import { pageArgs } from '../connection.ts'
import { objectQuery } from '../object-query.ts'
import {
  runConnection,
  segment,
  segmentConnection,
  segmentMappingConnection,
  snapshot,
  snapshotConnection,
} from '../refs.ts'
import { reads, selectionOf } from '../selection.ts'
import { ORDER_FIELDS, orderInput } from './common.ts'
import { node } from './node.ts'
import { runFilter } from './run-filter.ts'
import { segmentRule } from './segment-rule.ts'

export const segmentStatus = builder.enumType('SegmentStatus', {
  description: 'Where a segment is in its life.',
  values: {
    DRAFT: { description: 'Being written: not evaluated, not sent.' },
    ACTIVE: { description: 'Evaluated, and may be sent.' },
    INACTIVE: { description: 'At rest: keeps its snapshot, not evaluated.' },
    DELETED: { description: 'Out of use for good; kept for history.' },
  },
})

segment.implement({
  description: 'A rule that selects profiles, and who was selected when.',
  interfaces: [node],
  fields: (t) => ({
    number: t.exposeInt('number', { description: 'The numeric id that partners see.' }),
    name: t.exposeString('name', { description: 'What people call it.' }),
    description: t.exposeString('description', { nullable: true, description: 'Who is meant, in words.' }),
    status: t.expose('status', {
      type: segmentStatus,
      description: 'Where it is in its life.',
    }),
    rule: t.expose('rule', {
      type: segmentRule,
      nullable: true,
      description: 'The rule as structured data.',
    }),
    expression: t.exposeString('expression', {
      nullable: true,
      description: 'The rule as one readable line.',
    }),
    snapshot: t.field({
      type: snapshot,
      nullable: true,
      description: 'The latest finished evaluation. Ad-hoc activation exports exactly this snapshot.',
      ...reads('snapshotId'),
      resolve: ({ snapshotId }, _, { loaders }) => (snapshotId ? loaders.snapshot.load(snapshotId) : null),
    }),
    snapshots: t.field({
      type: snapshotConnection,
      description: 'All evaluations that are known, newest first.',
      args: pageArgs(t.arg),
      ...reads('id'),
      resolve: ({ id }, args, { pages }) => pages.snapshotsOfSegment.load(id, { args }),
    }),
    mappings: t.field({
      type: segmentMappingConnection,
      description: 'The dataflows that it is mapped in, oldest first.',
      args: pageArgs(t.arg),
      ...reads('id'),
      resolve: ({ id }, args, { pages, parts }, info) => {
        const { maxPageSize } = parts.guardrails
        return pages.mappingsOfSegment.load(id, { args, maxPageSize, only: selectionOf(info) })
      },
    }),
    runs: t.field({
      type: runConnection,
      description: 'Its exports, newest first.',
      args: { filter: t.arg({ type: runFilter, description: 'Only those that match.' }), ...pageArgs(t.arg) },
      ...reads('id'),
      resolve: ({ id }, { filter, ...args }, { pages }, info) =>
        pages.runsOfSegment.load(id, { filter, args, only: selectionOf(info) }),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
  }),
})

const filter = builder.inputType('SegmentFilter', {
  description: 'Conditions that must all hold. What is absent or null does not filter.',
  fields: (t) => ({
    ids: t.idList({ description: 'Only those with these ids.' }),
    numbers: t.intList({ description: 'Only those with these numeric ids.' }),
    search: t.string({ description: 'Text in the name, whatever the case, taken literally.' }),
    status: t.field({ type: [segmentStatus], description: 'In one of these states.' }),
    destinationId: t.id({ description: 'Mapped to this destination.' }),
    updatedSince: t.field({ type: 'DateTime', description: 'Changed at this moment or later.' }),
  }),
})
const order = orderInput('Segment', 'segments', ORDER_FIELDS)

objectQuery({ noun: 'segment', type: segment, action: 'mappings:read' })
builder.queryField('segments', (t) =>
  t.field({
    type: segmentConnection,
    description: 'The segments of this sandbox, oldest first unless ordered otherwise.',
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
      return stores.segment.page({ sandboxId, filter, orderBy, args, maxPageSize, only })
    },
  }),
)
