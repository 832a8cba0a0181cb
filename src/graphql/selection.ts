// What of a row a document asks for: reading all of every row would cost more than everything else together.
import {
  type FieldNode,
  type GraphQLNamedOutputType,
  type GraphQLResolveInfo,
  getNamedType,
  isObjectType,
  Kind,
  type SelectionSetNode,
} from 'graphql'
import type { Selection } from '../storage/read.ts'

const known = new WeakMap<FieldNode, Selection>()

/** For a field that does not read the property of its own name alone: the properties that it reads. */
export const reads = (...properties: string[]) => ({ extensions: { reads: properties } })
/** For a field whose own fields say what is read: for each of them by its name, or as `by` says of it. */
export const readsEach = (by: Readonly<Record<string, readonly string[]>>) => ({
  extensions: { readsEach: by },
})
/** For a field that is another row, which is read together with this one under the field's name. */
export const JOINED = { extensions: { isJoined: true } }

/**
 * The properties of the rows behind a field, or behind the nodes of a connection, that the document's selection needs.
 * A field counts as the property of its name, or as what `reads` says of it.
 */
export function selectionOf({ fieldNodes, returnType, fragments }: GraphQLResolveInfo): Selection {
  const [first] = fieldNodes
  const remembered = fieldNodes.length === 1 && first ? known.get(first) : undefined
  if (remembered) return remembered
  const wanted = newWanted()
  const type = getNamedType(returnType)
  for (const { selectionSet } of fieldNodes) {
    if (selectionSet) collect(wanted, selectionSet, { parent: type, fragments })
  }
  const selection = settled(wanted)
  if (first && fieldNodes.length === 1) known.set(first, selection)
  return selection
}

interface Declared {
  reads?: readonly string[]
  readsEach?: Readonly<Record<string, readonly string[]>>
  isJoined?: boolean
}
interface Wanted {
  names: Set<string>
  hasPlaces: boolean
  joined: Map<string, Wanted>
}
interface Place {
  parent: GraphQLNamedOutputType
  fragments: GraphQLResolveInfo['fragments']
}

const newWanted = (): Wanted => ({ names: new Set(), hasPlaces: false, joined: new Map() })

function settled({ names, hasPlaces, joined }: Wanted): Selection {
  const rows = [...joined].map(([name, inner]) => [name, settled(inner)] as const)
  const sorted = [...names].sort()
  const key = `${sorted.join()} ${hasPlaces} ${rows.map(([name, { key }]) => `${name}(${key})`).join()}`
  return { names: sorted, hasPlaces, joined: Object.fromEntries(rows), key }
}

function collect(wanted: Wanted, { selections }: SelectionSetNode, place: Place): void {
  for (const node of selections) {
    if (node.kind === Kind.FIELD) collectField(wanted, node, place)
    else if (node.kind === Kind.INLINE_FRAGMENT) collect(wanted, node.selectionSet, place)
    else {
      const fragment = place.fragments[node.name.value]
      if (fragment) collect(wanted, fragment.selectionSet, place)
    }
  }
}

function collectField(wanted: Wanted, node: FieldNode, { parent, fragments }: Place): void {
  const name = node.name.value
  const field = isObjectType(parent) ? parent.getFields()[name] : undefined
  if (name.startsWith('__') || !field) return
  const type = getNamedType(field.type)
  if (/(Connection|Edge)$/.test(parent.name)) {
    if (name === 'pageInfo' || name === 'cursor') wanted.hasPlaces = true
    else if (node.selectionSet) collect(wanted, node.selectionSet, { parent: type, fragments })
    return
  }
  // Only the helpers above write these.
  const { reads: declared, readsEach: by, isJoined } = field.extensions as Declared
  if (isJoined && node.selectionSet) {
    const inner = wanted.joined.get(name) ?? newWanted()
    wanted.joined.set(name, inner)
    collect(inner, node.selectionSet, { parent: type, fragments })
    return
  }
  if (by && node.selectionSet) {
    const inner = newWanted()
    collect(inner, node.selectionSet, { parent: type, fragments })
    for (const part of inner.names) for (const property of by[part] ?? [part]) wanted.names.add(property)
    return
  }
  for (const property of declared ?? [name]) wanted.names.add(property)
}
