import type { Wake } from '../domain/ports.ts'

/** Wake-ups within one process. */
export function inProcessWake(): Wake & { notifyAll(): void } {
  const waiters = new Map<string, Set<() => void>>()
  return {
    notify(topic) {
      for (const wake of [...(waiters.get(topic) ?? [])]) wake()
    },
    /** Wakes whoever waits for anything. */
    notifyAll() {
      for (const topic of [...waiters.keys()]) this.notify(topic)
    },
    wait(topic, ms, signal) {
      if (signal?.aborted) return Promise.resolve()
      return new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer)
          signal?.removeEventListener('abort', done)
          const set = waiters.get(topic)
          set?.delete(done)
          if (set?.size === 0) waiters.delete(topic)
          resolve()
        }
        const timer = setTimeout(done, ms)
        signal?.addEventListener('abort', done, { once: true })
        const set = waiters.get(topic) ?? new Set()
        waiters.set(topic, set.add(done))
      })
    },
  }
}
