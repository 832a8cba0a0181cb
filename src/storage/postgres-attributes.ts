import { setImmediate as turn } from 'node:timers/promises'
import { newTally, statisticsOf, tally } from './attribute-tally.ts'
import type { AttributeStatistic, RawRow } from './capabilities.ts'
import type { Statement } from './postgres-pool.ts'

/** So few that reading them holds the event loop for a few milliseconds. */
const PAGE_ROWS = 500

/** Which attributes a sandbox's profiles have. */
export async function postgresAttributeStatistics(options: {
  sandboxId: string
  signal: AbortSignal | undefined
  read(statement: Statement): Promise<RawRow[]>
}): Promise<AttributeStatistic[]> {
  const { sandboxId, read } = options
  const counted = newTally()
  for (let last: unknown = 0; ; ) {
    options.signal?.throwIfAborted()
    const rows = await read({
      sql: `select id, attributes::text from profiles
        where id > $1 and namespace_id in (select id from namespaces where sandbox_id = $2) order by id limit $3`,
      params: [last, sandboxId, PAGE_ROWS],
    })
    for (const [, attributes] of rows) tally(counted, JSON.parse(String(attributes)))
    if (rows.length < PAGE_ROWS) return statisticsOf(counted)
    last = rows.at(-1)?.[0]
    await turn()
  }
}
