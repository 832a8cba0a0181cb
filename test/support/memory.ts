// What this process holds once its garbage is gone.
import { setTimeout as after } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** In bytes, at this moment: what was let go of does not count, collected yet or not. */
export function buffersInUse(): number {
  collectGarbage()
  return process.memoryUsage().arrayBuffers
}

/** In bytes; `rss` includes what the process has been given and does not need any more. */
export async function settledMemory(): Promise<{ heap: number; buffers: number; rss: number }> {
  for (let pass = 0; pass < 3; pass += 1) {
    collectGarbage()
    await after(50)
  }
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage()
  return { heap: heapUsed, buffers: arrayBuffers, rss }
}
