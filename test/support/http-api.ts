export type Api = <T>(query: string, variables?: Record<string, unknown>) => Promise<T>

export function apiOf(url: string, token: string): Api {
  return async <T>(query: string, variables: Record<string, unknown> = {}) => {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ query, variables }),
    })
    const { data, errors } = (await response.json()) as { data: T; errors?: unknown[] }
    if (errors) throw new Error(JSON.stringify(errors))
    return data
  }
}

/** Creates a segment and gives its id. */
export async function createSegment(api: Api, name: string, rule: unknown): Promise<string> {
  const { createSegment } = await api<{
    createSegment: { segment: { id: string } | null; errors: unknown[] }
  }>(
    'mutation ($input: CreateSegmentInput!) { createSegment(input: $input) { segment { id } errors { message path } } }',
    { input: { name, rule } },
  )
  if (!createSegment.segment) throw new Error(JSON.stringify(createSegment.errors))
  return createSegment.segment.id
}

/** Evaluates segments; seconds from the request to the end of the job. */
export async function evaluate(api: Api, segmentIds: string[]): Promise<number> {
  const began = performance.now()
  const { evaluateSegments } = await api<{
    evaluateSegments: { job: { id: string } | null; errors: unknown[] }
  }>('mutation ($ids: [ID!]) { evaluateSegments(segmentIds: $ids) { job { id } errors { message } } }', {
    ids: segmentIds,
  })
  const { job, errors } = evaluateSegments
  if (!job) throw new Error(JSON.stringify(errors))
  for (;;) {
    const { segmentationJob } = await api<{ segmentationJob: { status: string; error: unknown } }>(
      'query ($id: ID!) { segmentationJob(id: $id) { status error { message } } }',
      { id: job.id },
    )
    if (segmentationJob.status === 'SUCCEEDED') return (performance.now() - began) / 1000
    if (segmentationJob.status === 'FAILED') throw new Error(JSON.stringify(segmentationJob.error))
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** Stores an account, logs in with it, and gives its id. */
export async function createAccount(
  api: Api,
  account: { name: string; type: string; settings: object; secrets: object },
): Promise<string> {
  const { createDestinationAccount: created } = await api<{
    createDestinationAccount: { destinationAccount: { id: string } | null; errors: unknown[] }
  }>(
    'mutation ($input: CreateDestinationAccountInput!) { createDestinationAccount(input: $input) { destinationAccount { id settings } errors { message path } } }',
    { input: { ...account, agreeToDataTransfer: true } },
  )
  if (!created.destinationAccount) throw new Error(JSON.stringify(created.errors))
  const { id } = created.destinationAccount
  const { verifyDestinationAccount: verified } = await api<{
    verifyDestinationAccount: { destinationAccount: { status: string } | null; errors: unknown[] }
  }>(
    'mutation ($id: ID!) { verifyDestinationAccount(id: $id) { destinationAccount { status settings details } errors { message ... on DestinationRefusedError { detail } } } }',
    { id },
  )
  if (verified.destinationAccount?.status !== 'CONNECTED') throw new Error(JSON.stringify(verified.errors))
  return id
}

export async function createDestination(
  api: Api,
  destination: { name: string; type: string; settings: object; accountId?: string },
): Promise<string> {
  const { createDestination } = await api<{
    createDestination: { destination: { id: string } | null; errors: unknown[] }
  }>(
    'mutation ($input: CreateDestinationInput!) { createDestination(input: $input) { destination { id } errors { message path } } }',
    { input: destination },
  )
  if (!createDestination.destination) throw new Error(JSON.stringify(createDestination.errors))
  return createDestination.destination.id
}

/** A dataflow with the segments mapped; into a folder of its own where no destination is given. */
export async function createDataflow(
  api: Api,
  options: {
    name: string
    destinationId?: string
    fields: unknown[]
    fileFormat: unknown
    segmentIds: string[]
  },
): Promise<string> {
  const { name, fields, fileFormat, segmentIds } = options
  const folder = { name, type: 'LOCAL_DIRECTORY', settings: { path: name } }
  const destinationId = options.destinationId ?? (await createDestination(api, folder))
  const schedule = { frequency: 'ONCE', startDate: '2020-01-01', startTime: '00:00' }
  const { createDataflow } = await api<{
    createDataflow: { dataflow: { id: string } | null; errors: unknown[] }
  }>(
    'mutation ($input: CreateDataflowInput!) { createDataflow(input: $input) { dataflow { id } errors { message path } } }',
    {
      input: {
        name,
        destinationId,
        fields,
        fileFormat,
        segments: segmentIds.map((segmentId) => ({ segmentId, schedule })),
      },
    },
  )
  if (!createDataflow.dataflow) throw new Error(JSON.stringify(createDataflow.errors))
  return createDataflow.dataflow.id
}

export interface RunResult {
  id: string
  status: string
  createdAt: string
  startedAt: string
  completedAt: string
  progress: { exported: number; excluded: number; bytes: number }
}

/** Activates one segment and waits for the end of its run. */
export async function activate(api: Api, dataflowId: string, segmentId: string): Promise<RunResult> {
  const { activate } = await api<{
    activate: { activation: { orders: { run: { id: string } }[] } | null; errors: unknown[] }
  }>(
    'mutation ($input: ActivateInput!) { activate(input: $input) { activation { orders { run { id } } } errors { code message } } }',
    { input: { activations: [{ dataflowId, segmentIds: [segmentId] }] } },
  )
  const runId = activate.activation?.orders[0]?.run.id
  if (!runId) throw new Error(JSON.stringify(activate.errors))
  for (;;) {
    const { run } = await api<{ run: RunResult }>(
      'query ($id: ID!) { run(id: $id) { id status createdAt startedAt completedAt progress { exported excluded bytes } } }',
      { id: runId },
    )
    if (run.status === 'SUCCESS') return run
    if (run.status === 'FAILED') throw new Error(`run ${runId} failed`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
