// The thread that counts which attributes the profiles of a sandbox have.
import { parentPort, workerData } from 'node:worker_threads'
import pg from 'pg'
import { newTally, statisticsOf, tally } from './attribute-tally.ts'
import type { AttributeStatistic } from './capabilities.ts'
import type { Counted, CountingOrder } from './postgres-attributes.ts'
import { ask, clientConfig, LOOK_UPS } from './postgres-pool.ts'

const PAGE_ROWS = 1_000
const TIMEOUT_MS = 30 * 60_000
const PAGE = `select id, attributes::text from profiles
  where id > $1 and namespace_id in (select id from namespaces where sandbox_id = $2) order by id limit $3`

const answer = (counted: Counted) => parentPort?.postMessage(counted)
try {
  answer({ statistics: await count(workerData) })
} catch (error) {
  const { message, code } = error as Error & { code?: string }
  answer({ failed: { message, code } })
}

async function count({ url, sandboxId }: CountingOrder): Promise<AttributeStatistic[]> {
  const client = new pg.Client(clientConfig(url, TIMEOUT_MS))
  client.on('error', () => {}) // the page that is under way fails
  try {
    await client.connect()
    await client.query(`${LOOK_UPS}; set enable_sort = off`)
    const counted = newTally()
    for (let last: unknown = 0; ; ) {
      const { rows } = await ask(client, {
        sql: PAGE,
        params: [last, sandboxId, PAGE_ROWS],
        isPrepared: true,
      })
      for (const [, attributes] of rows) tally(counted, JSON.parse(String(attributes)))
      if (rows.length < PAGE_ROWS) return statisticsOf(counted)
      last = rows.at(-1)?.[0]
    }
  } finally {
    await client.end().catch(() => {})
  }
}
