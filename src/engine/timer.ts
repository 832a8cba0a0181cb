import { setTimeout as sleep } from 'node:timers/promises'

/** Time as it passes, to wait by. Tests hand in one that runs faster. */
export interface Timer {
  /** In milliseconds, from any moment on. */
  now(): number
  /** @throws the signal's reason when it aborts */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

export const systemTimer: Timer = {
  now: () => performance.now(),
  async sleep(ms, signal) {
    signal.throwIfAborted()
    await sleep(ms, undefined, { signal }).catch((error: unknown) => {
      throw signal.aborted ? signal.reason : error
    })
  },
}
