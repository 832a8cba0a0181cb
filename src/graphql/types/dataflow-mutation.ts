import { builder } from '../builder.ts'
import { payload, payloadType } from '../payload.ts'
import { dataflow } from '../refs.ts'
import { SOURCE } from './dataflow.ts'
import { fileFormatInput } from './file-format.ts'
import { exportMode, scheduleInput } from './schedule.ts'

const fieldMappingInput = builder.inputType('FieldMappingInput', {
  description: 'Which attribute goes into which column or field.',
  fields: (t) => ({
    source: t.string({ required: true, description: SOURCE }),
    target: t.string({ required: true, description: "The column, or the destination's field." }),
    required: t.boolean({ defaultValue: false, description: 'Leave profiles without a value out.' }),
  }),
})
const segmentMappingInput = builder.inputType('SegmentMappingInput', {
  description: 'A segment to map.',
  fields: (t) => ({
    segmentId: t.id({ required: true, description: 'Which segment, seg_….' }),
    schedule: t.field({ type: scheduleInput, required: true, description: 'When it is exported.' }),
    exportMode: t.field({
      type: exportMode,
      defaultValue: 'DAILY_FULL_EXPORT',
      description: 'What scheduled runs send.',
    }),
    filenameTemplate: t.string({
      description:
        'How its files are named, e.g. %SEGMENT_NAME%_%DATETIME(YYYYMMdd)%; absent for the default.',
    }),
    elementName: t.string({ description: "The name that the partner sees; the segment's when absent." }),
    elementDescription: t.string({ description: "The segment's description when absent." }),
  }),
})
const createInput = builder.inputType('CreateDataflowInput', {
  description: 'A new dataflow.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'What people call it: 1 to 255 characters.' }),
    description: t.string({ description: 'What it is for: at most 2,000 characters.' }),
    destinationId: t.id({ required: true, description: 'Where it leads, dst_….' }),
    fields: t.field({
      type: [fieldMappingInput],
      required: true,
      description: 'What each row or contact carries, in the order of the columns.',
    }),
    deduplicateBy: t.stringList({
      defaultValue: [],
      description: 'Attributes that make two profiles the same.',
    }),
    consentAttribute: t.string({ description: 'Send only profiles where this attribute is true.' }),
    fileFormat: t.field({ type: fileFormatInput, description: 'How files are written.' }),
    segments: t.field({
      type: [segmentMappingInput],
      defaultValue: [],
      description: 'Segments to map at once.',
    }),
  }),
})
const updateInput = builder.inputType('UpdateDataflowInput', {
  description: 'Changes to a dataflow. What is absent stays as it is.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Which one, flow_….' }),
    name: t.string({ description: 'A new name: 1 to 255 characters.' }),
    description: t.string({ description: 'A new description; null takes it away.' }),
    fields: t.field({ type: [fieldMappingInput], description: 'New field mappings, all of them.' }),
    deduplicateBy: t.stringList({ description: 'New deduplication attributes, all of them.' }),
    consentAttribute: t.string({ description: 'A new consent attribute; null takes it away.' }),
    fileFormat: t.field({ type: fileFormatInput, description: 'A new file format, whole.' }),
  }),
})
const mapInput = builder.inputType('MapSegmentsInput', {
  description: 'Segments to map in a dataflow.',
  fields: (t) => ({
    dataflowId: t.id({ required: true, description: 'Which dataflow, flow_….' }),
    segments: t.field({
      type: [segmentMappingInput],
      required: true,
      description: 'Which segments, and how.',
    }),
  }),
})

const dataflowPayload = payloadType({
  name: 'DataflowPayload',
  key: 'dataflow',
  type: dataflow,
  what: 'The dataflow',
})

builder.mutationFields((t) => ({
  createDataflow: t.field({
    type: dataflowPayload,
    description: 'Makes a dataflow, ENABLED, with its mapped segments.',
    args: { input: t.arg({ type: createInput, required: true, description: 'What to make.' }) },
    resolve: (_, { input }, { session, parts }) =>
      payload('dataflow', parts.services.dataflow.create(session, input)),
  }),
  updateDataflow: t.field({
    type: dataflowPayload,
    description: 'Changes a dataflow. Runs that are under way keep what they began with.',
    args: { input: t.arg({ type: updateInput, required: true, description: 'What to change.' }) },
    resolve: (_, { input }, { session, parts }) =>
      payload('dataflow', parts.services.dataflow.update(session, input)),
  }),
  enableDataflow: t.field({
    type: dataflowPayload,
    description: 'Lets a dataflow run.',
    args: { id: t.arg.id({ required: true, description: 'Its id, flow_….' }) },
    resolve: (_, { id }, { session, parts }) =>
      payload('dataflow', parts.services.dataflow.enable(session, id)),
  }),
  disableDataflow: t.field({
    type: dataflowPayload,
    description: 'Keeps a dataflow from running. Runs that are under way go on.',
    args: { id: t.arg.id({ required: true, description: 'Its id, flow_….' }) },
    resolve: (_, { id }, { session, parts }) =>
      payload('dataflow', parts.services.dataflow.disable(session, id)),
  }),
  mapSegments: t.field({
    type: dataflowPayload,
    description: 'Maps segments in a dataflow, or changes how mapped ones are exported.',
    args: { input: t.arg({ type: mapInput, required: true, description: 'Which segments, and how.' }) },
    resolve: (_, { input }, { session, parts }) =>
      payload('dataflow', parts.services.dataflow.mapSegments(session, input)),
  }),
  unmapSegments: t.field({
    type: dataflowPayload,
    description: 'Takes segments out of a dataflow. Their history stays.',
    args: {
      dataflowId: t.arg.id({ required: true, description: 'Which dataflow, flow_….' }),
      segmentIds: t.arg.idList({
        required: true,
        description: 'Which of the segments that are mapped in it.',
      }),
    },
    resolve: (_, { dataflowId, segmentIds }, { session, parts }) =>
      payload('dataflow', parts.services.dataflow.unmapSegments(session, dataflowId, segmentIds)),
  }),
}))
