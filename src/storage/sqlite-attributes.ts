// Statistics of attributes: an aggregate written in JavaScript that the read thread runs.
import { MAX_PATHS, mergeExamples, newTally, statisticsOf, type Tally, tally } from './attribute-tally.ts'
import type { AttributeStatistic, RawRow } from './capabilities.ts'

/** Name of the aggregate: of JSON texts, it answers a JSON list of AttributeStatistic. */
export const ATTRIBUTE_STATISTICS = 'attribute_statistics'
/** Ids a statement: other reads of the thread get their turn in between, and an abort is seen. */
const STEP = 50_000

export const attributeAggregate = {
  start: newTally,
  step: (counted: Tally, attributes: unknown) => {
    if (typeof attributes === 'string') tally(counted, JSON.parse(attributes))
  },
  result: (counted: Tally) => JSON.stringify(statisticsOf(counted)),
}

export async function sqliteAttributeStatistics(options: {
  sandboxId: string
  signal: AbortSignal | undefined
  read(query: { sql: string; params: unknown[] }): Promise<RawRow[]>
}): Promise<AttributeStatistic[]> {
  const { sandboxId, read } = options
  const [range] = await read({ sql: 'select min(id), max(id) from profiles', params: [] })
  const [first, last] = [Number(range?.[0] ?? 0), Number(range?.[1] ?? -1)]
  const all = new Map<string, AttributeStatistic>()
  for (let from = first; from <= last; from += STEP) {
    options.signal?.throwIfAborted()
    // The sign keeps SQLite from walking the index on namespaces for a range of ids.
    const rows = await read({
      sql: `select ${ATTRIBUTE_STATISTICS}(json(attributes)) from profiles
        where id >= ? and id < ? and +namespace_id in (select id from namespaces where sandbox_id = ?)`,
      params: [from, from + STEP, sandboxId],
    })
    for (const part of JSON.parse(String(rows[0]?.[0] ?? '[]'))) merge(all, part)
  }
  return [...all.values()]
}

function merge(all: Map<string, AttributeStatistic>, part: AttributeStatistic): void {
  const known = all.get(part.path)
  if (!known) {
    if (all.size < MAX_PATHS) all.set(part.path, part)
    return
  }
  known.kinds |= part.kinds
  known.profileCount += part.profileCount
  mergeExamples(known.examples, part.examples)
}
