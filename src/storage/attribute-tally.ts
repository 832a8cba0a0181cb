// Statistics of attributes: which leaves profiles have, of which kinds, with examples. Counted in JavaScript: three times
// as fast as in SQL, and it tells dates from other text by the same function as everything else.
import { kindOfJson } from '../domain/value-type.ts'
import type { AttributeStatistic } from './capabilities.ts'

export const MAX_PATHS = 10_000
const MAX_EXAMPLES = 5
const MAX_EXAMPLE_LENGTH = 200

/** Statistics of one value at each level: a leaf has counts, an object has members. */
interface Node {
  kinds: number
  count: number
  examples: unknown[]
  members: Map<string, Node>
}
export interface Tally {
  root: Node
  size: number
}

export const newTally = (): Tally => ({ root: newNode(), size: 0 })

/** Counts one profile's attributes. */
export function tally(counted: Tally, attributes: unknown): void {
  add(counted, counted.root, attributes)
}

export const statisticsOf = ({ root }: Tally): AttributeStatistic[] => leaves(root, '')

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

export function mergeExamples(examples: unknown[], more: readonly unknown[]): void {
  for (const value of more) if (examples.length < MAX_EXAMPLES) addExample(examples, value)
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
