import type { Api } from '../support/http-api.ts'

/** Activates all at once; seconds from the request to the end of the last of the runs. */
export async function activateAll(
  api: Api,
  orders: readonly { dataflowId: string; segmentId: string }[],
): Promise<number> {
  const { activate } = await api<{
    activate: {
      activation: { createdAt: string; orders: { run: { id: string } }[] } | null
      errors: unknown[]
    }
  }>(
    'mutation ($input: ActivateInput!) { activate(input: $input) { activation { createdAt orders { run { id } } } errors { code message } } }',
    {
      input: {
        activations: orders.map(({ dataflowId, segmentId }) => ({ dataflowId, segmentIds: [segmentId] })),
      },
    },
  )
  const { activation, errors } = activate
  if (!activation) throw new Error(JSON.stringify(errors))
  const ends = await Promise.all(activation.orders.map(({ run }) => endOf(api, run.id)))
  return (Math.max(...ends) - Date.parse(activation.createdAt)) / 1000
}

async function endOf(api: Api, id: string): Promise<number> {
  for (;;) {
    const { run } = await api<{ run: { status: string; completedAt: string } }>(
      'query ($id: ID!) { run(id: $id) { status completedAt } }',
      { id },
    )
    if (run.status === 'SUCCESS') return Date.parse(run.completedAt)
    if (run.status === 'FAILED') throw new Error(`run ${id} failed`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
