import { setTimeout as sleep } from 'node:timers/promises'
import { type ApiClient, ConnectionLost, Unreachable } from './api-client.ts'
import { Failure } from './failure.ts'
import { fetchRun, type RunEvent, subscribeToRun } from './run-api.ts'

const TERMINAL = ['SUCCESS', 'FAILED', 'CANCELLED']
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 15_000
const GIVE_UP_AFTER_MS = 15 * 60_000

/**
 * Every event of a run, once and in order, until the terminal one, over as many connections as it takes: after a lost
 * connection it goes on from the last cursor. Ends early when the signal aborts.
 * @throws Failure when the gateway refuses, or stays away for a quarter of an hour
 */
export async function* followRun(
  api: ApiClient,
  options: { runId: string; after: string | null; signal: AbortSignal; onLost(pauseMs: number): void },
): AsyncGenerator<RunEvent> {
  let { after } = options
  let pause = FIRST_PAUSE_MS
  let lastHeard = Date.now()
  while (!options.signal.aborted) {
    try {
      for await (const event of subscribeToRun(api, { ...options, after })) {
        yield event
        if (TERMINAL.includes(event.status)) return
        after = event.cursor
        pause = FIRST_PAUSE_MS
        lastHeard = Date.now()
      }
      // Ended without a terminal event: the gateway went away politely, or there was nothing after the cursor.
      if (!options.signal.aborted && (await hasEnded(api, options.runId))) return
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error
    }
    if (options.signal.aborted) return
    if (Date.now() - lastHeard > GIVE_UP_AFTER_MS) throw new Failure('The gateway does not come back.')
    options.onLost(pause)
    await sleep(pause, undefined, { signal: options.signal }).catch(() => {})
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS)
  }
}

async function hasEnded(api: ApiClient, runId: string): Promise<boolean> {
  try {
    return TERMINAL.includes((await fetchRun(api, runId)).status)
  } catch (error) {
    if (error instanceof Unreachable) return false
    throw error
  }
}
