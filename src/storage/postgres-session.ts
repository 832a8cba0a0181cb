// A connection beside the pool, for what belongs to a connection and ends with it: LISTEN, and locks of a session.
// It is made when it is first needed, and again whenever it is lost.
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

const FIRST_WAIT_MS = 100
/** Well below the grace that postgres-life.ts gives to a process without its lock. */
const MAX_WAIT_MS = 2_000
const CONNECT_TIMEOUT_MS = 2_000
/** How often a connection is tried that nothing comes from: the other end may be gone without a word. */
const CHECK_MS = 5_000
const QUERY_TIMEOUT_MS = 5_000

type SetUp = (client: pg.Client) => Promise<unknown>

export interface PostgresSession {
  isConnected(): boolean
  /** One after the other. @throws when there is no connection now, or it is lost */
  query(text: string, values?: unknown[]): Promise<unknown>
  /**
   * Done on the connection, and first on each that is made after it is lost. Resolves when it was done once; until
   * there is a connection, that is never.
   */
  keep(setUp: SetUp): Promise<void>
  close(): Promise<void>
}

export function postgresSession(config: pg.ClientConfig): PostgresSession {
  const setUps: SetUp[] = []
  const closing = new AbortController()
  let current: pg.Client | null = null
  let loop: Promise<void> | undefined
  let last: Promise<unknown> = Promise.resolve()

  /** A connection takes one query at a time. */
  const inTurn = (work: (client: pg.Client) => Promise<unknown>): Promise<unknown> => {
    const next = () => (current ? work(current) : Promise.reject(new Error('there is no connection')))
    last = last.then(next, next)
    return last
  }
  const live = async (client: pg.Client, ended: Promise<void>) => {
    await client.connect()
    // What is lost with a crash is a hint; nobody waits for the disk.
    await client.query('set synchronous_commit = off')
    for (const setUp of setUps) await setUp(client)
    current = client
    const over = new AbortController()
    const check = async () => {
      for (;;) {
        await sleep(CHECK_MS, undefined, {
          ref: false,
          signal: AbortSignal.any([over.signal, closing.signal]),
        })
        await inTurn(() => client.query('select 1'))
      }
    }
    await Promise.race([ended, check().catch(() => {})]).finally(() => over.abort())
  }
  const work = async () => {
    let wait = FIRST_WAIT_MS
    while (!closing.signal.aborted) {
      const client = new pg.Client({
        ...config,
        keepAlive: true,
        connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
        query_timeout: QUERY_TIMEOUT_MS,
      })
      client.on('error', () => {}) // its end is what counts
      const ended = new Promise<void>((resolve) => client.once('end', resolve))
      await live(client, ended).catch(() => {})
      if (current) wait = FIRST_WAIT_MS
      current = null
      await end(client, ended)
      await sleep(wait, undefined, { signal: closing.signal }).catch(() => {})
      wait = Math.min(2 * wait, MAX_WAIT_MS)
    }
  }

  return {
    isConnected: () => current !== null,
    query: (text, values) => inTurn((client) => client.query(text, values)),
    async keep(setUp) {
      let isDone = () => {}
      const done = new Promise<void>((resolve) => {
        isDone = resolve
      })
      setUps.push((client) => setUp(client).then(isDone))
      if (current) void inTurn((client) => setUp(client).then(isDone)).catch(() => {}) // done on the next one
      loop ??= closing.signal.aborted ? undefined : work()
      await done
    },
    async close() {
      closing.abort()
      await loop
    },
  }
}

/** Politely; a connection whose other end is silent is cut. */
async function end(client: pg.Client, ended: Promise<void>): Promise<void> {
  const cut = setTimeout(() => client.connection.stream.destroy(), 500)
  await Promise.race([client.end().catch(() => {}), ended])
  clearTimeout(cut)
}
