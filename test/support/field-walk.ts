// Walks every field of a schema as somebody: asks for it along a way that leads there, and says what came of it.
import {
  type GraphQLField,
  type GraphQLInterfaceType,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isCompositeType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  isRequiredArgument,
  OperationTypeNode,
} from 'graphql'
import type { Answer, Tree } from './api.ts'
import type { Argument } from './sample-arguments.ts'

/**
 * may: it has a value. refused: FORBIDDEN, or found only below what is. nothing: neither an error nor a value, as
 * where nothing is.
 */
export type Mark = 'may' | 'refused' | 'nothing'
type FieldsType = GraphQLObjectType | GraphQLInterfaceType
/** A field with its arguments, or `... on Type`. */
interface Step {
  text: () => Promise<string>
  /** Under which name its value is found; null for a fragment. */
  key: string | null
}
interface Way {
  kind: OperationTypeNode
  steps: Step[]
}
interface Walk {
  schema: GraphQLSchema
  /** By `Type.field`; needed where arguments are. */
  args: Record<string, Argument[]>
  /** The id of an object of each type that has ids: it is looked for by it too, found elsewhere or not. */
  ids: Record<string, string>
  ask(kind: OperationTypeNode, operation: string): Promise<Pick<Answer, 'data' | 'errors'>>
}

/** By how many fields a type is reached: what is empty behind one may not be behind another. */
const WAYS = 3

/** The mark of each `Type.field`. @throws Error for an answer that is neither a value nor FORBIDDEN */
export async function walkFields({ schema, args, ids, ask }: Walk): Promise<Map<string, Mark>> {
  const marks = new Map<string, Mark>()
  /** For each type, the fields that have led there. */
  const ways = new Map<string, Set<string>>()
  const open: { type: FieldsType; way: Way }[] = []
  const lead = (name: string, way: Way, by = '') => {
    const type = schema.getType(name)
    const known = ways.get(name) ?? new Set()
    if (!isFieldsType(type) || (known.size >= WAYS && !known.has(by))) return
    ways.set(name, known.add(by))
    open.push({ type, way })
  }
  const typesOf = (field: GraphQLField<unknown, unknown>): readonly GraphQLNamedType[] => {
    const type = getNamedType(field.type)
    return isAbstractType(type) ? [type, ...schema.getPossibleTypes(type)] : [type]
  }
  const isDone = (coordinate: string, field: GraphQLField<unknown, unknown>) =>
    marks.get(coordinate) === 'may' &&
    typesOf(field).every((type) => !isFieldsType(type) || (ways.get(type.name)?.size ?? 0) >= WAYS)

  const tryField = async (coordinate: string, field: GraphQLField<unknown, unknown>, way: Way) => {
    const type = getNamedType(field.type)
    if (!args[coordinate] && field.args.some(isRequiredArgument)) {
      throw new Error(`Give ${coordinate} sample arguments, so that it can be asked for.`)
    }
    for (const sample of args[coordinate] ?? ['']) {
      const step = await fieldStep(field.name, sample)
      const asked = { ...way, steps: [...way.steps, step] }
      const operation = await render(asked, isCompositeType(type))
      const values = valuesOf(await ask(way.kind, operation), asked, operation)
      marks.set(coordinate, better(marks.get(coordinate), values))
      for (const name of new Set(Array.isArray(values) ? values.map((value) => value?.__typename) : [])) {
        if (typeof name !== 'string') continue
        if (isAbstractType(type)) lead(type.name, asked, coordinate)
        const steps = isAbstractType(type) ? [...asked.steps, fragment(name)] : asked.steps
        lead(name, { ...asked, steps }, coordinate)
      }
    }
  }

  for (const kind of Object.values(OperationTypeNode)) {
    const root = schema.getRootType(kind)
    if (root) lead(root.name, { kind, steps: [] })
  }
  for (const [name, id] of Object.entries(ids)) {
    const node = { key: 'node', text: async () => `node(id: "${id}")` }
    lead(name, { kind: OperationTypeNode.QUERY, steps: [node, fragment(name)] })
  }
  for (let next = open.shift(); next; next = open.shift()) {
    for (const field of Object.values(next.type.getFields())) {
      const coordinate = `${next.type.name}.${field.name}`
      if (!isDone(coordinate, field)) await tryField(coordinate, field, next.way)
    }
  }
  return withUnreached(schema, marks)
}

/** Every `Type.field` of a schema. */
export function coordinatesOf(schema: GraphQLSchema): string[] {
  return Object.values(schema.getTypeMap())
    .filter((type) => isFieldsType(type) && !isIntrospectionType(type))
    .flatMap((type) => Object.keys((type as FieldsType).getFields()).map((name) => `${type.name}.${name}`))
}

function isFieldsType(type: unknown): type is FieldsType {
  return isObjectType(type) || isInterfaceType(type)
}

const fragment = (name: string): Step => ({ key: null, text: async () => `... on ${name}` })

async function fieldStep(name: string, sample: Argument): Promise<Step> {
  const text = async () => (typeof sample === 'string' ? sample : sample())
  return { key: name, text: async () => [name, await text()].filter(Boolean).join('(') + (sample ? ')' : '') }
}

async function render({ kind, steps }: Way, isComposite: boolean): Promise<string> {
  const texts = await Promise.all(steps.map(({ text }) => text()))
  const inner = texts.reduceRight((below, text) => `${text} { ${below} }`, isComposite ? '__typename' : '')
  return `${kind} { ${inner.replace(/ \{ {2}\}/, '')} }`
}

/** What was found at the end of a way: every value that is neither null nor an empty list. */
function valuesOf(
  { data, errors }: Pick<Answer, 'data' | 'errors'>,
  { steps }: Way,
  operation: string,
): Tree[] | 'refused' {
  const codes = (errors ?? []).map(({ extensions }) => extensions.code)
  if (codes.length > 0 && codes.every((code) => code === 'FORBIDDEN')) return 'refused'
  if (codes.length > 0) throw new Error(`${operation} fails: ${JSON.stringify(errors)}`)
  return steps
    .flatMap(({ key }) => key ?? [])
    .reduce<Tree[]>((objects, key) => objects.flatMap((object) => object?.[key] ?? []), [data])
}

function better(known: Mark | undefined, values: Tree[] | 'refused'): Mark {
  const now = values === 'refused' ? 'refused' : values.length > 0 ? 'may' : 'nothing'
  const order: (Mark | undefined)[] = ['may', 'refused', 'nothing', undefined]
  return order.find((mark) => mark === known || mark === now) ?? now
}

/** Where no way led, it counts what the fields say that would have led there. */
function withUnreached(schema: GraphQLSchema, marks: ReadonlyMap<string, Mark>): Map<string, Mark> {
  const leading = (type: FieldsType) =>
    coordinatesOf(schema).filter((coordinate) => {
      const [owner = '', name = ''] = coordinate.split('.')
      const field = (schema.getType(owner) as FieldsType).getFields()[name]
      const target = field && getNamedType(field.type)
      return (
        target === type || (isAbstractType(target) && isObjectType(type) && schema.isSubType(target, type))
      )
    })
  const markOf = (coordinate: string, seen: readonly string[]): Mark => {
    const mark = marks.get(coordinate)
    if (mark || seen.includes(coordinate)) return mark ?? 'refused'
    const type = schema.getType(coordinate.slice(0, coordinate.indexOf('.'))) as FieldsType
    const before = leading(type).map((one) => markOf(one, [...seen, coordinate]))
    return before.every((one) => one === 'refused') ? 'refused' : 'nothing'
  }
  return new Map(coordinatesOf(schema).map((coordinate) => [coordinate, markOf(coordinate, [])]))
}
