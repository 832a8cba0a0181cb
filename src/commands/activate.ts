import type { Config } from '../config.ts'
import { type ApiOptions, apiClient } from './api-client.ts'
import { print, printJson, programCall } from './output.ts'
import { fetchRun, startActivation } from './run-api.ts'
import { watchRuns } from './watch.ts'

export interface ActivateOptions extends ApiOptions {
  dataflow: string
  segment: string[]
  idempotencyKey?: string
  watch?: boolean
  json?: boolean
}

/** Starts the runs through the API, and with `watch` shows them until they end. */
export async function activate(config: Config, options: ActivateOptions): Promise<void> {
  const api = apiClient(config, options)
  const { activationId, runIds } = await startActivation(api, {
    activations: [{ dataflowId: options.dataflow, segmentIds: options.segment }],
    ...(options.idempotencyKey === undefined ? {} : { idempotencyKey: options.idempotencyKey }),
  })
  if (options.json) printJson({ activationId, runIds })
  else print(`${activationId} started ${runIds.length === 1 ? 'one run' : `${runIds.length} runs`}`)
  if (options.watch) {
    await watchRuns(api, await Promise.all(runIds.map((id) => fetchRun(api, id))), options)
  } else if (!options.json) {
    for (const id of runIds) print(`  ${programCall(`watch ${id}`)}`)
  }
}
