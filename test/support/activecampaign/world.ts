// A gateway as a process, with a destination at an emulated ActiveCampaign.
import { cliFolder, type RunningCli } from '../cli.ts'
import { type Api, apiOf } from '../http-api.ts'
import { type ActiveCampaign, activeCampaign } from './server.ts'

const TOKEN = 'activecampaign-test-token-0123456789'

export interface UserError {
  code: string
  message: string
  path: string[]
  detail?: string
}
export interface RunView {
  status: string
  error: { code: string; message: string; retryable: boolean } | null
  progress: { received: number; exported: number; excluded: number; failed: number; percent: number }
  rejections: { nodes: { reason: string; detail: string }[] }
}
export type World = Awaited<ReturnType<typeof activeCampaignWorld>>

/** @param settings of the gateway, besides what it needs */
export async function activeCampaignWorld(settings: Record<string, string> = {}) {
  const emulator: ActiveCampaign = await activeCampaign()
  const folder = cliFolder()
  const env = {
    ADMIN_TOKEN: TOKEN,
    MIN_MINUTES_BEFORE_AD_HOC: '0',
    OUTBOUND_ALLOW: `http://${emulator.hostname}`,
    ...settings,
  }
  let server: RunningCli | null = null
  let url = ''
  /** What all processes wrote. */
  let said = ''
  const api: Api = (query, variables) => apiOf(url, TOKEN)(query, variables)

  /** A mutation that takes an input: what it made, or its errors. */
  async function change<T>(
    mutation: string,
    input: unknown,
    fields: string,
  ): Promise<{ made: T; errors: UserError[] }> {
    const isId = typeof input === 'string'
    const type = isId ? 'ID!' : `${mutation[0]?.toUpperCase()}${mutation.slice(1)}Input!`
    const document = `mutation ($of: ${type}) { done: ${mutation}(${isId ? 'id' : 'input'}: $of) { ${fields}
      errors { code message path ${isId ? '... on DestinationRefusedError { detail }' : ''} } } }`
    const { done } = await api<{ done: Record<string, unknown> & { errors: UserError[] } }>(document, {
      of: input,
    })
    const { errors, ...rest } = done
    return { made: Object.values(rest)[0] as T, errors }
  }

  return {
    emulator,
    dir: folder.dir,
    api,
    change,
    said: () => said,
    async import(file: string, key: string): Promise<void> {
      const { code, stderr } = await folder.run(['import', file, '--key', key], env)
      if (code !== 0) throw new Error(stderr)
    },
    async start(): Promise<void> {
      server = folder.start(['serve'], env)
      server.child.stderr?.on('data', (text) => {
        said += text
      })
      url = (await server.saw(/listening on (\S+)/))[1] ?? ''
      server.child.stdout?.on('data', (text) => {
        said += text
      })
    },
    async kill(): Promise<void> {
      server?.child.kill('SIGKILL')
      await server?.ended
    },
    async dispose(): Promise<void> {
      await folder.dispose()
      await emulator.close()
    },

    /** An account that has been verified, and a destination on it: their ids. */
    async destination(
      destinationSettings: object = { listId: '1' },
    ): Promise<{ accountId: string; id: string }> {
      const { hostname, apiKey } = emulator
      const account = { name: 'ActiveCampaign', type: 'ACTIVECAMPAIGN', agreeToDataTransfer: true }
      const input = { ...account, settings: { hostname }, secrets: { apiKey } }
      const { made } = await change<{ id: string }>(
        'createDestinationAccount',
        input,
        'destinationAccount { id }',
      )
      await change('verifyDestinationAccount', made.id, 'destinationAccount { id }')
      const place = {
        name: 'Newsletter',
        type: 'ACTIVECAMPAIGN',
        accountId: made.id,
        settings: destinationSettings,
      }
      const { made: destination, errors } = await change<{ id: string } | null>(
        'createDestination',
        place,
        'destination { id }',
      )
      if (!destination) throw new Error(JSON.stringify(errors))
      return { accountId: made.id, id: destination.id }
    },
    dataflow: (destinationId: string, fields: object[], segmentIds: string[]) => {
      const schedule = { frequency: 'DAILY', startDate: '2020-01-01', startTime: '00:00' }
      const segments = segmentIds.map((segmentId) => ({ segmentId, schedule }))
      const input = { name: 'To ActiveCampaign', destinationId, fields, segments }
      return change<{ id: string } | null>('createDataflow', input, 'dataflow { id }')
    },
    /** The id of the run, or why there is none. */
    async activate(dataflowId: string, segmentId: string): Promise<{ runId: string; errors: UserError[] }> {
      const fields = 'activation { orders { run { id } } }'
      const input = { activations: [{ dataflowId, segmentIds: [segmentId] }] }
      type Activation = { orders: { run: { id: string } }[] } | null
      const { made, errors } = await change<Activation>('activate', input, fields)
      return { runId: made?.orders[0]?.run.id ?? '', errors }
    },
    /** The run when it has ended. */
    async ended(id: string): Promise<RunView> {
      const query = `query ($id: ID!) { run(id: $id) { status error { code message retryable }
        progress { received exported excluded failed percent }
        rejections(first: 100) { nodes { reason detail } } } }`
      for (;;) {
        const { run } = await api<{ run: RunView }>(query, { id })
        if (['SUCCESS', 'FAILED', 'CANCELLED'].includes(run.status)) return run
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    },
  }
}
