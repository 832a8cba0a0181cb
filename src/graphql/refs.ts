// The object types that others point at, by the rows that their resolvers get. types/<noun>.ts give them their fields.
import type { Driver } from '../destinations/driver.ts'
import type { RunFacts } from '../storage/run.ts'
import type { MappingRow } from '../storage/segment-mapping.ts'
import type { Row } from '../storage/tables.ts'
import { builder } from './builder.ts'
import { connectionOf, type FieldBuilder } from './connection.ts'
import { reads, selectionOf } from './selection.ts'

/** A kind of destination, or the name of one whose driver this gateway does not have any more. */
export type DestinationTypeShape = Driver | { type: string }

export const sandbox = builder.objectRef<Row<'sandboxes'>>('Sandbox')
export const apiToken = builder.objectRef<Row<'apiTokens'>>('ApiToken')
export const destinationType = builder.objectRef<DestinationTypeShape>('DestinationType')
export const destinationAccount = builder.objectRef<Row<'destinationAccounts'>>('DestinationAccount')
export const destination = builder.objectRef<Row<'destinations'>>('Destination')
export const segment = builder.objectRef<Row<'segments'>>('Segment')
export const snapshot = builder.objectRef<Row<'snapshots'>>('SegmentSnapshot')
export const segmentationJob = builder.objectRef<Row<'segmentationJobs'>>('SegmentationJob')
export const dataflow = builder.objectRef<Row<'dataflows'>>('Dataflow')
export const segmentMapping = builder.objectRef<MappingRow>('SegmentMapping')
export const activation = builder.objectRef<Row<'activations'>>('Activation')
export const run = builder.objectRef<RunFacts>('Run')
export const runFile = builder.objectRef<Row<'runFiles'>>('RunFile')
export const rejection = builder.objectRef<Row<'rejections'>>('Rejection')
export const notificationTarget = builder.objectRef<Row<'notificationTargets'>>('NotificationTarget')

export const destinationAccountConnection = connectionOf(
  'DestinationAccount',
  destinationAccount,
  'destination accounts',
)
export const destinationConnection = connectionOf('Destination', destination, 'destinations')
export const segmentConnection = connectionOf('Segment', segment, 'segments')
export const segmentationJobConnection = connectionOf('SegmentationJob', segmentationJob, 'segmentation jobs')
export const snapshotConnection = connectionOf('SegmentSnapshot', snapshot, 'snapshots')
export const segmentMappingConnection = connectionOf('SegmentMapping', segmentMapping, 'segment mappings')
export const dataflowConnection = connectionOf('Dataflow', dataflow, 'dataflows')
export const runConnection = connectionOf('Run', run, 'runs')
export const notificationTargetConnection = connectionOf(
  'NotificationTarget',
  notificationTarget,
  'notification targets',
)
export const rejectionConnection = connectionOf('Rejection', rejection, 'rejections')

/** The row that a stored id must lead to. @throws Error when it does not: history is never deleted */
export async function present<T>(row: Promise<T | null>): Promise<T> {
  const found = await row
  if (found === null) throw new Error('a row that another row points at is not there')
  return found
}

/** The fields of whatever is of one segment in one dataflow. */
export const pairFields = <Pair extends { segmentId: string; dataflowId: string }>(
  t: FieldBuilder<Pair>,
) => ({
  segment: t.field({
    type: segment,
    description: 'The segment in question.',
    ...reads('segmentId'),
    resolve: ({ segmentId }, _, { loaders }, info) =>
      present(loaders.segment.load(segmentId, selectionOf(info))),
  }),
  dataflow: t.field({
    type: dataflow,
    description: 'The dataflow in question.',
    ...reads('dataflowId'),
    resolve: ({ dataflowId }, _, { loaders }, info) =>
      present(loaders.dataflow.load(dataflowId, selectionOf(info))),
  }),
})
