import { authorize } from '../../domain/access.ts'
import { type ProgressFacts, runStateOf } from '../../domain/progress.ts'
import { encodeLogCursor } from '../../storage/log-cursor.ts'
import type { Row } from '../../storage/tables.ts'
import { builder } from '../builder.ts'
import { pageArgs } from '../connection.ts'
import { objectQuery } from '../object-query.ts'
import {
  activation,
  dataflow,
  present,
  rejectionConnection,
  run,
  runConnection,
  runFile,
  segment,
  snapshot,
} from '../refs.ts'
import { reads, readsEach, selectionOf } from '../selection.ts'
import { trigger } from './common.ts'
import { node } from './node.ts'
import { progress, runFailure } from './progress.ts'
import { decodeRejectionFilter, rejectionFilter } from './rejection.ts'
import { runMode, runPhase, runStatus } from './run-enums.ts'
import { runFilter, runOrder } from './run-filter.ts'

/** What a run's progress is made of. */
const COUNTED = ['total', 'received', 'exported', 'excluded', 'failed', 'bytes', 'files', 'status'] as const

/** What is not a counter is reckoned from all of it. */
const RECKONED = [...COUNTED, 'startedAt']

run.implement({
  description: 'One export of one segment through one dataflow.',
  interfaces: [node],
  fields: (t) => ({
    dataflow: t.field({
      type: dataflow,
      description: 'Through which dataflow.',
      ...reads('dataflowId'),
      resolve: ({ dataflowId }, _, { loaders }, info) =>
        present(loaders.dataflow.load(dataflowId, selectionOf(info))),
    }),
    segment: t.field({
      type: segment,
      description: 'Of which segment.',
      ...reads('segmentId'),
      resolve: ({ segmentId }, _, { loaders }, info) =>
        present(loaders.segment.load(segmentId, selectionOf(info))),
    }),
    snapshot: t.field({
      type: snapshot,
      nullable: true,
      description: 'Of which evaluation: the run sends exactly its members.',
      ...reads('snapshotId'),
      resolve: ({ snapshotId }, _, { loaders }) => (snapshotId ? loaders.snapshot.load(snapshotId) : null),
    }),
    activation: t.field({
      type: activation,
      nullable: true,
      description: 'The activation that ordered it; null for scheduled runs and retries.',
      ...reads('activationId'),
      resolve: ({ activationId }, _, { loaders }) =>
        activationId ? loaders.activation.load(activationId) : null,
    }),
    trigger: t.expose('trigger', { type: trigger, description: 'What set it off.' }),
    mode: t.expose('mode', { type: runMode, description: 'What it sends.' }),
    status: t.expose('status', { type: runStatus, description: 'How it stands.' }),
    phase: t.expose('phase', { type: runPhase, description: 'What it is doing.' }),
    progress: t.field({
      type: progress,
      description: 'How far it is.',
      ...readsEach({ percent: RECKONED, rowsPerSecond: RECKONED, estimatedCompletionAt: RECKONED }),
      resolve: (row, _, { parts }) => progressOf(row, { at: parts.clock(), startedAt: row.startedAt }),
    }),
    files: t.field({
      type: [runFile],
      description: 'The files that are at the destination, part by part.',
      ...reads('id'),
      resolve: ({ id }, _, { loaders }) => loaders.runFiles.load(id),
    }),
    error: t.expose('error', {
      type: runFailure,
      nullable: true,
      description: 'Why it failed; null when it did not.',
    }),
    rejections: t.field({
      type: rejectionConnection,
      description: 'Profiles that were left out or refused, with the reason.',
      args: {
        filter: t.arg({ type: rejectionFilter, description: 'Only those that match.' }),
        ...pageArgs(t.arg),
      },
      ...reads('id'),
      resolve: ({ id }, { filter, ...args }, { pages }) =>
        pages.rejectionsOfRun.load(id, { filter: decodeRejectionFilter(filter), args }),
    }),
    attempt: t.exposeInt('attempt', { description: 'How often a worker has taken it up.' }),
    lastEventCursor: t.string({
      nullable: true,
      description: 'The cursor of the newest event: subscribe with it to see only what comes next.',
      ...reads('eventSeq'),
      resolve: ({ id, eventSeq }) => (eventSeq > 0 ? encodeLogCursor(id, eventSeq) : null),
    }),
    dueAt: t.expose('dueAt', {
      type: 'DateTime',
      nullable: true,
      description:
        'The slot of the schedule that it is for, or the end of the evaluation that it follows; null for ad-hoc runs.',
    }),
    isLate: t.exposeBoolean('isLate', {
      description: 'Whether it was made more than five minutes after its slot: nothing ran at that time.',
    }),
    missedSlots: t.exposeInt('missedSlots', {
      description: 'Slots before its own for which nothing ran: it stands for them, too.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was asked for.' }),
    startedAt: t.expose('startedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When a worker first took it up.',
    }),
    completedAt: t.expose('completedAt', { type: 'DateTime', nullable: true, description: 'When it ended.' }),
  }),
})

type Counted = Pick<Row<'runs'>, (typeof COUNTED)[number]>
/** The progress of a run, now or as one of its events tells it. */
export function progressOf(row: Counted, times: { at: Date; startedAt: Date | null }): ProgressFacts {
  return { ...row, ...times, state: runStateOf(row.status) }
}

objectQuery({ noun: 'run', type: run, action: 'mappings:read' })
builder.queryField('runs', (t) =>
  t.field({
    type: runConnection,
    description: 'The runs of this sandbox, newest first unless ordered otherwise.',
    args: {
      filter: t.arg({ type: runFilter, description: 'Only those that match.' }),
      orderBy: t.arg({ type: runOrder, description: 'Another order than newest first.' }),
      ...pageArgs(t.arg),
    },
    resolve: (_, { filter, orderBy, ...args }, { session, stores, parts }, info) => {
      authorize(session, 'metadata:read')
      const { maxPageSize } = parts.guardrails
      const { id: sandboxId } = session.sandbox
      const only = selectionOf(info)
      return stores.run.page({ sandboxId, filter, orderBy, args, maxPageSize, only })
    },
  }),
)
