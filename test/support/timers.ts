import { setImmediate as turn } from 'node:timers/promises'
import type { Timer } from '../../src/engine/timer.ts'

/**
 * Time that stands still but while somebody waits: then it jumps to the end of the shortest wait. A server that limits
 * requests by the same `now` sees forty minutes pass in a few seconds.
 */
export function skippingTimer(): Timer {
  let now = 0
  const waits: number[] = []
  return {
    now: () => now,
    async sleep(ms, signal) {
      const until = now + ms
      waits.push(until)
      try {
        do await turn(undefined, { signal })
        while (until > Math.min(...waits))
        now = Math.max(now, until)
      } catch (error) {
        throw signal.aborted ? signal.reason : error
      } finally {
        waits.splice(waits.indexOf(until), 1)
      }
    },
  }
}
