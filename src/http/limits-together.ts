// Limits that hold over all gateways on one database. A request is counted in memory, as always; every second, and
// sooner for who asks much, a gateway writes its counts down and learns those of the others. So a token may get at most
// the twentieth part of its limit through each other gateway, and what comes while they tell each other, beyond it.
import { createHash, randomUUID } from 'node:crypto'
import type { Clock, Logger } from '../domain/ports.ts'
import type { Database } from '../storage/database.ts'
import { rateCountStore } from '../storage/rate-count.ts'
import type { Limits, RateCounts } from './rate-limit.ts'

const TELL_MS = 1_000
/** Windows are kept a little: the clocks of machines differ. */
const KEPT_MS = 120_000

export function limitsTogether(parts: { database: Database; clock: Clock; log: Logger }) {
  const { database, clock, log } = parts
  const store = rateCountStore(database, randomUUID())
  let limits: Limits | null = null
  let timer: NodeJS.Timeout | undefined
  let telling: Promise<void> | null = null
  let isAskedAgain = false
  let forgotAt = 0

  const tell = async () => {
    for (const [name, limiter] of Object.entries(limits ?? {})) await exchange(name, limiter)
    const now = clock().getTime()
    if (now - forgotAt < KEPT_MS) return
    forgotAt = now
    await store.forget(new Date(now - KEPT_MS))
  }
  const exchange = async (name: string, limiter: RateCounts) => {
    const { endsAt, counts } = limiter.news()
    if (counts.size === 0) return
    const keys = new Map([...counts.keys()].map((key) => [hashOf(name, key), key]))
    await store.tell(endsAt, new Map([...keys].map(([hash, key]) => [hash, counts.get(key) ?? 0])))
    const others = await store.ofOthers(endsAt, [...keys.keys()])
    limiter.learn(endsAt, new Map([...others].map(([hash, count]) => [keys.get(hash) ?? '', count])))
  }
  const tellSoon = () => {
    isAskedAgain = telling !== null
    telling ??= tell()
      .catch((error: unknown) => log.debug({ error }, 'limits are counted by this gateway alone for now'))
      .finally(() => {
        telling = null
        if (isAskedAgain) tellSoon()
      })
  }

  return {
    /** Begins soon, and does not wait. */
    tellSoon,
    start(of: Limits): void {
      limits = of
      timer = setInterval(tellSoon, TELL_MS).unref()
    },
    /** Resolves when all have been told what there was to tell. */
    async told(): Promise<void> {
      while (telling) await telling
    },
    async stop(): Promise<void> {
      clearInterval(timer)
      isAskedAgain = false
      await telling
    },
  }
}

const hashOf = (name: string, key: string): string =>
  createHash('sha256').update(`${name} ${key}`).digest('base64url').slice(0, 22)
