// What an operation may cost: one for each field, and those below a list as often as the list is long at most.
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLNamedOutputType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isCompositeType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql'
import type { Guardrails } from '../domain/ports.ts'

const DEFAULT_PAGE = 20
/** What a list without paging is taken to be long, unless its field says otherwise. */
const DEFAULT_LIST = 10

interface Question {
  schema: GraphQLSchema
  document: DocumentNode
  operation: OperationDefinitionNode
  variables: Readonly<Record<string, unknown>>
  guardrails: Guardrails
}
type Field = GraphQLField<unknown, unknown>

/** What operations cost whose lists are as long whatever the variables are. */
const settled = new WeakMap<OperationDefinitionNode, number>()

/** The cost of an operation with its variables. Fragments are reckoned once each. */
export function costOf(question: Question): number {
  const { operation, variables } = question
  const before = settled.get(operation)
  if (before !== undefined) return before
  let dependsOnVariables = false
  const cost = reckoned(question, (name) => {
    dependsOnVariables = true
    return Object.hasOwn(variables, name) ? { value: variables[name] } : null
  })
  if (!dependsOnVariables) settled.set(operation, cost)
  return cost
}

/** Looks a variable up; null for one that has no value. */
type Variables = (name: string) => { value: unknown } | null

function reckoned({ schema, document, operation, guardrails }: Question, variables: Variables): number {
  const known = new Map<string, number>()
  const fragments = new Map<string, FragmentDefinitionNode>()
  for (const node of document.definitions) {
    if (node.kind === Kind.FRAGMENT_DEFINITION) fragments.set(node.name.value, node)
  }
  const value = (node: ValueNode | undefined) => literalOf(node, operation, variables)

  const ofField = (node: FieldNode, parent: GraphQLNamedOutputType | undefined): number => {
    const name = node.name.value
    const isKnown = isObjectType(parent) || isInterfaceType(parent)
    const field = isKnown ? parent.getFields()[name] : undefined
    if (!field || !node.selectionSet) return 1
    const type = getNamedType(field.type)
    const times = isCompositeType(type) ? repetitions(node, { field, parent, value, guardrails }) : 1
    return 1 + times * ofSet(node.selectionSet, type)
  }
  const ofSet = ({ selections }: SelectionSetNode, parent: GraphQLNamedOutputType | undefined): number => {
    let sum = 0
    for (const node of selections) {
      if (node.kind === Kind.FIELD) sum += ofField(node, parent)
      else if (node.kind === Kind.FRAGMENT_SPREAD) sum += ofFragment(node.name.value)
      else
        sum += ofSet(
          node.selectionSet,
          node.typeCondition ? typeNamed(node.typeCondition.name.value) : parent,
        )
    }
    return sum
  }
  const ofFragment = (name: string): number => {
    const fragment = fragments.get(name)
    const cost = known.get(name)
    if (cost !== undefined || !fragment) return cost ?? 0
    known.set(name, 0)
    const sum = ofSet(fragment.selectionSet, typeNamed(fragment.typeCondition.name.value))
    known.set(name, sum)
    return sum
  }
  const typeNamed = (name: string): GraphQLNamedOutputType | undefined => {
    const type = schema.getType(name)
    return isObjectType(type) || isInterfaceType(type) ? type : undefined
  }
  return ofSet(operation.selectionSet, schema.getRootType(operation.operation) ?? undefined)
}

function repetitions(
  node: FieldNode,
  facts: {
    field: Field
    parent: GraphQLNamedOutputType | undefined
    value: (node: ValueNode | undefined) => unknown
    guardrails: Guardrails
  },
): number {
  const { field, parent, value, guardrails } = facts
  const argument = (name: string) => value(node.arguments?.find((one) => one.name.value === name)?.value)
  if (field.args.some((arg) => arg.name === 'first')) {
    const found = lookedUp(field, argument('filter'))
    const most = Math.max(guardrails.maxPageSize, found)
    const sizes = [argument('first'), argument('last')].filter((size) => size != null)
    const asked = sizes.map((size) => (Number.isInteger(size) ? Number(size) : most))
    // Other sizes are refused when the list is read.
    return Math.min(Math.max(1, ...(asked.length > 0 ? asked : [found || DEFAULT_PAGE])), most)
  }
  // The list of a page is as long as its connection was reckoned.
  const isPaged = parent?.name.endsWith('Connection')
  if (!isListType(getNullableType(field.type)) || isPaged) return 1
  const ids = argument('ids')
  if (Array.isArray(ids)) return Math.max(1, ids.length)
  const size = field.extensions.listSize
  return size === 'maxSegmentsPerActivation' ? guardrails[size] : DEFAULT_LIST
}

/** How many objects a list is asked to look up by one condition of its filter, where it answers them on one page. */
function lookedUp(field: Field, filter: unknown): number {
  // Ours: only lists of mappings have it.
  const { lookup } = field.extensions as { lookup?: { by: string; max: number } }
  if (!lookup || typeof filter !== 'object' || filter === null) return 0
  const asked = (filter as Record<string, unknown>)[lookup.by]
  return Array.isArray(asked) ? Math.min(asked.length, lookup.max) : 0
}

/** The value of an argument as the caller sent it: a literal, a variable, or a variable's default. */
function literalOf(
  node: ValueNode | undefined,
  operation: OperationDefinitionNode,
  variables: Variables,
): unknown {
  if (node?.kind === Kind.VARIABLE) {
    const name = node.name.value
    const given = variables(name)
    if (given) return given.value
    const definition = operation.variableDefinitions?.find((one) => one.variable.name.value === name)
    return literalOf(definition?.defaultValue, operation, variables)
  }
  if (node?.kind === Kind.INT) return Number(node.value)
  if (node?.kind === Kind.LIST) return node.values
  if (node?.kind === Kind.OBJECT) {
    return Object.fromEntries(
      node.fields.map(({ name, value }) => [name.value, literalOf(value, operation, variables)]),
    )
  }
  return undefined
}
