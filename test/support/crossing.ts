// Operations that name what is somebody else's, each beside the same operation with ids of nobody. Made from the
// schema and from arguments that are good, so that a new field, argument or filter is tried too.
import {
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isInputObjectType,
  isObjectType,
  isRequiredArgument,
  isUnionType,
  OperationTypeNode,
} from 'graphql'
import { ID_PREFIXES } from '../../src/domain/model.ts'
import type { TestGateway } from './api.ts'
import type { Argument } from './sample-arguments.ts'
import { firstResult } from './sse-client.ts'

export interface Attempt {
  /** With what is the caller's own; null where that would change something or compare nothing. */
  own: string | null
  foreign: string
  /** With an id of the same form that nobody has. */
  absent: string
}
/** One object of each kind. */
type Ids = Record<string, string>
interface Question {
  schema: GraphQLSchema
  args: Record<string, Argument[]>
  own: Ids
  foreign: Ids
  /** The numbers of somebody else's objects, by their types. */
  numbers: Record<string, number>
  /** Which fields are selected; all when absent. */
  may?: (type: string, field: string) => boolean
}
type Field = GraphQLField<unknown, unknown>

const ID = new RegExp(`(${Object.values(ID_PREFIXES).join('|')})_[0-9a-f]{32}`, 'g')
const prefixOf = (id: string) => id.slice(0, id.indexOf('_'))
const nobody = (id: string) => `${prefixOf(id)}_${'0'.repeat(32)}`

/** The answer to an operation, or the first thing that a subscription says, with every id the same. */
export async function answerTo(gateway: TestGateway, token: string, operation: string): Promise<string> {
  const { status, data, errors } = operation.startsWith(OperationTypeNode.SUBSCRIPTION)
    ? await firstResult(gateway, { token, query: operation })
    : await gateway.ask(operation, {}, { token })
  return JSON.stringify({ status, data, errors }).replaceAll(ID, 'ID')
}

/** Every argument of every operation that takes an id, with an id of somebody else in its place. */
export async function crossings(question: Question): Promise<Attempt[]> {
  const { schema } = question
  const attempts: Attempt[] = []
  for (const kind of Object.values(OperationTypeNode)) {
    for (const field of Object.values(schema.getRootType(kind)?.getFields() ?? {})) {
      const selection = selectionOf(question, field, 2)
      const operation = (args: string) => `${kind} { ${field.name}(${args}) ${selection} }`
      for (const sample of question.args[`${schema.getRootType(kind)?.name}.${field.name}`] ?? []) {
        const args = typeof sample === 'string' ? sample : await sample()
        attempts.push(
          ...replacements(args, question).map((one) =>
            attempt(operation, kind === OperationTypeNode.QUERY ? one : { ...one, own: null }),
          ),
        )
      }
    }
  }
  return [...attempts, ...filterCrossings(question)]
}

/** Every filter of every list that takes ids or numbers: at the top, and below what is the caller's own. */
function filterCrossings(question: Question): Attempt[] {
  const { schema, own, may = () => true } = question
  const places = [
    { type: schema.getQueryType(), around: (inner: string) => `query { ${inner} }` },
    ...Object.entries(own).map(([name, id]) => ({
      type: schema.getType(name),
      around: (inner: string) => `query { node(id: "${id}") { ... on ${name} { ${inner} } } }`,
    })),
  ]
  return places.flatMap(({ type, around }) => {
    if (!isObjectType(type)) return []
    return Object.values(type.getFields()).flatMap((field) => {
      if (!may(type.name, field.name)) return []
      const selection = selectionOf(question, field, 2)
      const operation = (args: string) => around(`${field.name}(${args}) ${selection}`)
      return filterArguments(field, question).map((one) => attempt(operation, { ...one, own: null }))
    })
  })
}

function filterArguments(field: Field, { foreign, numbers }: Question) {
  const filter = field.args.find(({ name }) => name === 'filter')
  const input = filter && getNamedType(filter.type)
  if (!isInputObjectType(input)) return []
  return Object.values(input.getFields()).flatMap(({ name, type }) => {
    const values = (list: string[], absent: (value: string) => string) =>
      list.map((value) => ({
        foreign: `filter: { ${name}: ${value} }`,
        absent: `filter: { ${name}: ${absent(value)} }`,
      }))
    const number = numbers[getNamedType(field.type).name.replace('Connection', '')]
    if (name === 'numbers' && number) return values([String(number)], () => '2000000000')
    if (getNamedType(type).name !== 'ID') return []
    return values(
      Object.values(foreign).map((id) => JSON.stringify(id)),
      (id) => JSON.stringify(nobody(JSON.parse(id))),
    )
  })
}

/** Each id of the arguments replaced, one at a time and all at once. */
function replacements(args: string, { foreign }: Question) {
  const theirs = new Map(Object.values(foreign).map((id) => [prefixOf(id), id]))
  const ids = [...new Set(args.match(ID) ?? [])].filter((id) => theirs.has(prefixOf(id)))
  const groups = ids.length > 1 ? [...ids.map((id) => [id]), ids] : ids.map((id) => [id])
  return groups.map((group) => {
    const replaced = (by: (id: string) => string) =>
      group.reduce((text, id) => text.replaceAll(id, by(id)), args)
    const foreign = replaced((id) => theirs.get(prefixOf(id)) ?? id)
    return { own: args, foreign, absent: replaced(nobody) }
  })
}

function attempt(
  operation: (args: string) => string,
  args: { own: string | null; foreign: string; absent: string },
): Attempt {
  const { own, foreign, absent } = args
  return { own: own && operation(own), foreign: operation(foreign), absent: operation(absent) }
}

/** Everything that can be asked without arguments, so deep. */
function selectionOf(question: Question, field: { type: Field['type'] }, depth: number): string {
  const { may = () => true } = question
  const type: GraphQLNamedType = getNamedType(field.type)
  if (!isCompositeType(type)) return ''
  if (isUnionType(type) || depth === 0) return '{ __typename }'
  const fields = Object.values(type.getFields())
    .filter((inner) => may(type.name, inner.name) && !inner.args.some(isRequiredArgument))
    .map((inner) => `${inner.name} ${selectionOf(question, inner, depth - 1)}`)
  return `{ __typename ${fields.join(' ')} }`
}
