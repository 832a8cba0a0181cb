// Statistics of attributes: an aggregate written in JavaScript that the read thread runs. Three times as fast as
// json_tree(), and it tells dates from other text by the same function as everything else.
import { kindOfJson } from '../domain/value-type.ts'
import type { AttributeStatistic, RawRow } from './capabilities.ts'

/** Name of the aggregate: of JSON texts, it answers a JSON list of AttributeStatistic. */
export const ATTRIBUTE_STATISTICS = 'attribute_statistics'
const MAX_PATHS = 10_000
const MAX_EXAMPLES = 5
const MAX_EXAMPLE_LENGTH = 200
/** Ids a statement: other reads of the thread get their turn in between, and an abort is seen. */
const STEP = 50_000

/** Statistics of one value at each level: a leaf has counts, an object has members. */
interface Node {
  kinds: number
  count: number
  examples: unknown[]
  members: Map<string, Node>
}
interface Tally {
  root: Node
  size: number
}

export const attributeAggregate = {
  start: (): Tally => ({ root: newNode(), size: 0 }),
  step: (tally: Tally, attributes: unknown) => {
    if (typeof attributes === 'string') add(tally, tally.root, JSON.parse(attributes))
  },
  result: (tally: Tally) => JSON.stringify(leaves(tally.root, '')),
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

function newNode(): Node {
  return { kinds: 0, count: 0, examples: [], members: new Map() }
}

function add(tally: Tally, node: Node, value: unknown): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const name in value) {
      let member = node.members.get(name)
      if (!member) {
        if (tally.size >= MAX_PATHS) continue
        tally.size += 1
        member = newNode()
        node.members.set(name, member)
      }
      add(tally, member, (value as Record<string, unknown>)[name])
    }
    return
  }
  const kind = kindOfJson(value)
  if (kind === 0) return
  node.kinds |= kind
  node.count += 1
  if (node.examples.length < MAX_EXAMPLES) addExample(node.examples, example(value))
}

function example(value: unknown): unknown {
  const text = typeof value === 'string' ? value : Array.isArray(value) ? JSON.stringify(value) : ''
  return text.length > MAX_EXAMPLE_LENGTH ? `${text.slice(0, MAX_EXAMPLE_LENGTH)}…` : value
}

/** Lists are compared by their text. */
function addExample(examples: unknown[], value: unknown): void {
  const isKnown = Array.isArray(value)
    ? examples.some((known) => JSON.stringify(known) === JSON.stringify(value))
    : examples.includes(value)
  if (!isKnown) examples.push(value)
}

function leaves(node: Node, path: string): AttributeStatistic[] {
  const { kinds, count, examples } = node
  const own = count > 0 ? [{ path, kinds, profileCount: count, examples }] : []
  const members = [...node.members].flatMap(([name, member]) =>
    leaves(member, path === '' ? name : `${path}.${name}`),
  )
  return [...own, ...members]
}

function merge(all: Map<string, AttributeStatistic>, part: AttributeStatistic): void {
  const known = all.get(part.path)
  if (!known) {
    if (all.size < MAX_PATHS) all.set(part.path, part)
    return
  }
  known.kinds |= part.kinds
  known.profileCount += part.profileCount
  for (const value of part.examples) {
    if (known.examples.length < MAX_EXAMPLES) addExample(known.examples, value)
  }
}
