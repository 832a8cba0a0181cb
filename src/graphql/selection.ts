// What of a row a document asks for: reading all of every row would cost more than everything else together.
import {
  type FieldNode,
  type GraphQLNamedOutputType,
  type GraphQLResolveInfo,
  getNamedType,
  isCompositeType,
  isObjectType,
  Kind,
  type SelectionSetNode,
} from 'graphql'
import type { Selection } from '../storage/read.ts'

const known = new WeakMap<FieldNode, Selection>()

/** For a field that does not read the property of its own name alone: the properties that it reads. */
export const reads = (...properties: string[]) => ({ extensions: { reads: properties } })

/**
 * The properties of the rows behind a field, or behind the nodes of a connection, that the document's selection needs.
 * A field counts as the property of its name, or as what `reads` says of it.
 */
export function selectionOf({ fieldNodes, returnType, fragments }: GraphQLResolveInfo): Selection {
  const [first] = fieldNodes
  const remembered = fieldNodes.length === 1 && first ? known.get(first) : undefined
  if (remembered) return remembered
  const properties = new Set<string>()
  let hasPlaces = false
  const type = getNamedType(returnType)
  for (const { selectionSet } of fieldNodes) {
    if (selectionSet) collect(selectionSet, type)
  }
  const names = [...properties].sort()
  const selection = { names, hasPlaces, key: `${names.join()} ${hasPlaces}` }
  if (first && fieldNodes.length === 1) known.set(first, selection)
  return selection

  function collect({ selections }: SelectionSetNode, parent: GraphQLNamedOutputType): void {
    for (const node of selections) {
      if (node.kind === Kind.FIELD) collectField(node, parent)
      else if (node.kind === Kind.INLINE_FRAGMENT) collect(node.selectionSet, parent)
      else {
        const fragment = fragments[node.name.value]
        if (fragment) collect(fragment.selectionSet, parent)
      }
    }
  }
  function collectField(node: FieldNode, parent: GraphQLNamedOutputType): void {
    const name = node.name.value
    const field = isObjectType(parent) ? parent.getFields()[name] : undefined
    if (name.startsWith('__')) return
    const isOfPage = /(Connection|Edge)$/.test(parent.name)
    if (isOfPage && (name === 'pageInfo' || name === 'cursor')) hasPlaces = true
    if (isOfPage && field && node.selectionSet) {
      const type = getNamedType(field.type)
      if (name === 'nodes' || name === 'edges' || name === 'node') {
        if (isCompositeType(type)) collect(node.selectionSet, type)
      }
      return
    }
    if (isOfPage) return
    const declared = field?.extensions.reads
    // Only `reads` above writes it.
    for (const property of (declared as string[] | undefined) ?? [name]) properties.add(property)
  }
}
