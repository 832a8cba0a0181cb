// What the commands ask the API about runs.
import { z } from 'zod'
import type { ApiClient } from './api-client.ts'
import { Failure } from './failure.ts'

const counter = z.coerce.number()
const progress = z.object({
  total: counter.nullable(),
  received: counter,
  exported: counter,
  excluded: counter,
  failed: counter,
  bytes: counter,
  files: counter,
  percent: z.number().nullable(),
})
const runEvent = z.object({
  cursor: z.string(),
  type: z.string(),
  status: z.string(),
  phase: z.string(),
  progress,
  message: z.string().nullable(),
  at: z.string(),
})
const run = z.object({
  id: z.string(),
  status: z.string(),
  segment: z.object({ id: z.string(), name: z.string() }),
  dataflow: z.object({ id: z.string(), name: z.string() }),
  progress,
  files: z.array(
    z.object({ name: z.string(), location: z.string(), rows: counter, bytes: counter, sha256: z.string() }),
  ),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
})
export type RunEvent = z.infer<typeof runEvent>
export type Run = z.infer<typeof run>

const PROGRESS = 'progress { total received exported excluded failed bytes files percent }'
const RUN = `id status segment { id name } dataflow { id name } ${PROGRESS}
  files { name location rows bytes sha256 } error { code message }`

/** @throws Failure when there is no such run */
export async function fetchRun(api: ApiClient, id: string): Promise<Run> {
  const { run: found } = await api.request({
    query: `query Run($id: ID!) { run(id: $id) { ${RUN} } }`,
    variables: { id },
    answer: z.object({ run: run.nullable() }),
  })
  if (!found) throw new Failure(`There is no run ${JSON.stringify(id)} in this sandbox.`)
  return found
}

/** The run's events after a cursor, then live, until the terminal one. */
export async function* subscribeToRun(
  api: ApiClient,
  { runId, after, signal }: { runId: string; after: string | null; signal: AbortSignal },
): AsyncGenerator<RunEvent> {
  const answers = api.subscribe(
    {
      query: `subscription Watch($runId: ID!, $after: String) {
        runEvents(runId: $runId, after: $after) { cursor type status phase ${PROGRESS} message at }
      }`,
      variables: { runId, after },
      answer: z.object({ runEvents: runEvent }),
    },
    signal,
  )
  for await (const { runEvents } of answers) yield runEvents
}

/** @returns the ids of the runs. @throws Failure with code and message of every error */
export async function startActivation(
  api: ApiClient,
  input: { activations: { dataflowId: string; segmentIds: string[] }[]; idempotencyKey?: string },
): Promise<{ activationId: string; runIds: string[] }> {
  const { activate } = await api.request({
    query: `mutation Activate($input: ActivateInput!) {
      activate(input: $input) { activation { id orders { run { id } } } errors { code message path } }
    }`,
    variables: { input },
    answer: z.object({
      activate: z.object({
        activation: z
          .object({ id: z.string(), orders: z.array(z.object({ run: z.object({ id: z.string() }) })) })
          .nullable(),
        errors: z.array(z.object({ code: z.string(), message: z.string() })),
      }),
    }),
  })
  const { activation, errors } = activate
  if (!activation) throw new Failure(errors.map(({ code, message }) => `${code}: ${message}`).join('\n'))
  return { activationId: activation.id, runIds: activation.orders.map((order) => order.run.id) }
}
