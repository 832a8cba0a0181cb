import type { Config } from '../config.ts'
import { type ApiClient, type ApiOptions, apiClient } from './api-client.ts'
import { followRun } from './follow-run.ts'
import { note, printJson, programCall } from './output.ts'
import { fetchRun, type Run } from './run-api.ts'
import { printRunResult, runView } from './run-view.ts'
import { stopSignal } from './signals.ts'

export interface WatchOptions extends ApiOptions {
  after?: string
  json?: boolean
}

/** Shows a run's progress until it ends. Exit code 1 when it did not succeed. */
export async function watch(config: Config, runId: string, options: WatchOptions): Promise<void> {
  const api = apiClient(config, options)
  await watchRuns(api, [await fetchRun(api, runId)], options)
}

/**
 * Shows runs side by side until all have ended, then their files. Interrupted, it leaves the runs going and says how
 * to watch them again. Sets the exit code to 1 unless every run succeeded.
 */
export async function watchRuns(
  api: ApiClient,
  runs: Run[],
  options: { after?: string; json?: boolean },
): Promise<void> {
  const stop = stopSignal()
  const view = runView(runs, options)
  const cursors = new Map(runs.map((run) => [run.id, options.after ?? null]))
  const failed = new AbortController()
  const signal = AbortSignal.any([stop.signal, failed.signal])
  const follow = async (run: Run) => {
    const onLost = (ms: number) =>
      view.remark(`The connection was lost; connecting again in ${(ms / 1000).toFixed(1)} s.`)
    const after = cursors.get(run.id) ?? null
    for await (const event of followRun(api, { runId: run.id, after, signal, onLost })) {
      cursors.set(run.id, event.cursor)
      view.event(run, event)
    }
  }
  try {
    await Promise.all(runs.map(follow))
  } catch (error) {
    failed.abort() // the other runs' connections would keep the process
    throw error
  } finally {
    view.stop()
    stop.dispose()
  }
  if (stop.signal.aborted) {
    for (const [id, cursor] of cursors) sayHowToGoOn(id, cursor)
    process.exitCode = 1
    return
  }
  for (const { id } of runs) {
    const ended = await fetchRun(api, id)
    if (options.json) printJson({ run: ended })
    else printRunResult(ended)
    if (ended.status !== 'SUCCESS') process.exitCode = 1
  }
}

function sayHowToGoOn(runId: string, cursor: string | null): void {
  const after = cursor ? ` --after ${cursor}` : ''
  note(`The run goes on. Watch it again: ${programCall(`watch ${runId}${after}`)}`)
}
