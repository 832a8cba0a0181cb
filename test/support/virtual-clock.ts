import { setImmediate as turn } from 'node:timers/promises'

/** Time that passes when somebody waits, at once: hours of waiting are shown in the time that the work takes. */
export function virtualClock() {
  let at = 0
  const advance = (ms: number) => {
    at += ms
  }
  return {
    /** In milliseconds. */
    now: () => at,
    advance,
    async sleep(ms: number, signal: AbortSignal): Promise<void> {
      await turn()
      signal.throwIfAborted()
      advance(ms)
    },
  }
}
