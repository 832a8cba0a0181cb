// What the demo asks the API to make.
import { z } from 'zod'
import type { ApiClient } from './api-client.ts'
import type { PlannedDataflow, PlannedSegment } from './demo-plan.ts'
import { Failure } from './failure.ts'

const errors = z.array(z.object({ code: z.string(), message: z.string() }))
const made = z.object({ id: z.string() }).nullable()
const JOB = 'id status progress { total received } error { message }'
const job = z.object({
  id: z.string(),
  status: z.string(),
  progress: z.object({ total: z.coerce.number().nullable(), received: z.coerce.number() }),
  error: z.object({ message: z.string() }).nullable(),
})
const segments = z.object({
  segments: z.object({
    nodes: z.array(
      z.object({
        id: z.string(),
        name: z.string(),
        expression: z.string().nullable(),
        snapshot: z.object({ profileCount: z.coerce.number() }).nullable(),
      }),
    ),
  }),
})
export type SegmentationJob = z.infer<typeof job>
export type EvaluatedSegment = z.infer<typeof segments>['segments']['nodes'][number]

/** @returns the segment's id */
export async function createSegment(api: ApiClient, { name, rule }: PlannedSegment): Promise<string> {
  const { payload } = await api.request({
    query: `mutation ($input: CreateSegmentInput!) {
      payload: createSegment(input: $input) { made: segment { id } errors { code message } }
    }`,
    variables: { input: { name, rule } },
    answer: z.object({ payload: z.object({ made, errors }) }),
  })
  return idOf(payload)
}

/** @returns the destination's id */
export async function createDestination(
  api: ApiClient,
  input: { name: string; type: string; settings: Record<string, unknown> },
): Promise<string> {
  const { payload } = await api.request({
    query: `mutation ($input: CreateDestinationInput!) {
      payload: createDestination(input: $input) { made: destination { id } errors { code message } }
    }`,
    variables: { input },
    answer: z.object({ payload: z.object({ made, errors }) }),
  })
  return idOf(payload)
}

/** Makes a dataflow with the segments mapped to it, every day at six. @returns its id */
export async function createDataflow(
  api: ApiClient,
  plan: PlannedDataflow & { destinationId: string; segmentIds: string[] },
): Promise<string> {
  const startDate = new Date().toISOString().slice(0, 10)
  const schedule = { frequency: 'DAILY', startDate, startTime: '06:00' }
  const { payload } = await api.request({
    query: `mutation ($input: CreateDataflowInput!) {
      payload: createDataflow(input: $input) { made: dataflow { id } errors { code message } }
    }`,
    variables: {
      input: {
        name: plan.name,
        destinationId: plan.destinationId,
        fields: plan.fields,
        fileFormat: { compression: plan.compression },
        segments: plan.segmentIds.map((segmentId) => ({
          segmentId,
          schedule,
          filenameTemplate: '%SEGMENT_NAME%_%DATETIME(yyyyMMdd-HHmmss)%',
        })),
      },
    },
    answer: z.object({ payload: z.object({ made, errors }) }),
  })
  return idOf(payload)
}

/** Starts the evaluation of all segments. */
export async function evaluateSegments(api: ApiClient): Promise<SegmentationJob> {
  const { evaluateSegments: payload } = await api.request({
    query: `mutation { evaluateSegments { job { ${JOB} } errors { code message } } }`,
    variables: {},
    answer: z.object({ evaluateSegments: z.object({ job: job.nullable(), errors }) }),
  })
  if (!payload.job) throw refused(payload.errors)
  return payload.job
}

export async function fetchJob(api: ApiClient, id: string): Promise<SegmentationJob> {
  const { segmentationJob } = await api.request({
    query: `query ($id: ID!) { segmentationJob(id: $id) { ${JOB} } }`,
    variables: { id },
    answer: z.object({ segmentationJob: job }),
  })
  return segmentationJob
}

/** All segments, as evaluated. */
export async function fetchSegments(api: ApiClient): Promise<EvaluatedSegment[]> {
  const answer = await api.request({
    query: '{ segments(first: 20) { nodes { id name expression snapshot { profileCount } } } }',
    variables: {},
    answer: segments,
  })
  return answer.segments.nodes
}

function idOf(payload: { made: z.infer<typeof made>; errors: z.infer<typeof errors> }): string {
  if (!payload.made) throw refused(payload.errors)
  return payload.made.id
}

const refused = (list: z.infer<typeof errors>): Failure =>
  new Failure(list.map(({ code, message }) => `${code}: ${message}`).join('\n'))
