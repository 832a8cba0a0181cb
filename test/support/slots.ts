// Every place of the schema where a caller can put text, found by walking it: so that no new one is forgotten.
import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLInputObjectType,
  type GraphQLInputType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
  isRequiredInputField,
} from 'graphql'

export interface Slot {
  /** Such as `segments.filter.search`. */
  name: string
  query: string
  variables(text: string): Record<string, unknown>
}

const DEEPEST = 4
const TEXTS = new Set(['String', 'ID', 'JSON', 'DateTime', 'Date', 'BigInt'])
const SAMPLES: Record<string, unknown> = {
  String: 'sample',
  ID: 'seg_x',
  Int: 1,
  Float: 1,
  Boolean: true,
  JSON: 'sample',
  BigInt: '1',
  DateTime: '2026-01-01T00:00:00Z',
  Date: '2026-01-01',
}

export function slotsOf(schema: GraphQLSchema): Slot[] {
  const operations = { query: schema.getQueryType(), mutation: schema.getMutationType() }
  return Object.entries(operations).flatMap(([operation, type]) =>
    Object.values(type?.getFields() ?? {}).flatMap((field) => slotsOfField(operation, field)),
  )
}

function slotsOfField(operation: string, field: GraphQLField<unknown, unknown>): Slot[] {
  return field.args.flatMap((arg) =>
    pathsOf(arg.type, [arg.name]).map((path) => {
      const args = field.args.filter((one) => one === arg || isNonNullType(one.type))
      return {
        name: `${field.name}.${path.join('.')}`,
        query: operationOf(operation, field, args),
        variables: (text) =>
          Object.fromEntries(
            args.map((one) => [
              one.name,
              one === arg ? placed(one.type, path.slice(1), text) : sampleOf(one.type),
            ]),
          ),
      }
    }),
  )
}

function operationOf(
  operation: string,
  field: GraphQLField<unknown, unknown>,
  args: GraphQLArgument[],
): string {
  const declared = args.map(({ name, type }) => `$${name}: ${type}`).join(', ')
  const passed = args.map(({ name }) => `${name}: $${name}`).join(', ')
  const type = getNamedType(field.type)
  const more = ['totalCount', 'id'].find((name) => isObjectType(type) && type.getFields()[name])
  const errors = isObjectType(type) && type.getFields().errors ? 'errors { message }' : ''
  const selection = isCompositeType(type) ? `{ __typename ${more ?? ''} ${errors} }` : ''
  return `${operation} (${declared}) { it: ${field.name}(${passed}) ${selection} }`
}

/** Where text may go below a type. */
function pathsOf(type: GraphQLInputType, path: string[], depth = 0): string[][] {
  const inner = getNullableType(type)
  if (isListType(inner)) return pathsOf(inner.ofType, [...path, '0'], depth)
  if (!isInputObjectType(inner)) return TEXTS.has(getNamedType(inner).name) ? [path] : []
  if (depth > DEEPEST) return []
  return Object.values(inner.getFields()).flatMap((field) =>
    pathsOf(field.type, [...path, field.name], depth + 1),
  )
}

/** A value of a type with text at a path, and samples where something is required. */
function placed(type: GraphQLInputType, path: string[], text: string): unknown {
  const inner = getNullableType(type)
  const [step, ...rest] = path
  if (step === undefined) return text
  if (isListType(inner)) return [placed(inner.ofType, rest, text)]
  const object = inner as GraphQLInputObjectType // a path leads through lists and input objects only
  const field = object.getFields()[step]
  const others = object.isOneOf ? {} : (sampleOf(object) as object)
  return { ...others, ...(field && { [step]: placed(field.type, rest, text) }) }
}

function sampleOf(type: GraphQLInputType): unknown {
  const inner = getNullableType(type)
  if (isListType(inner)) return [sampleOf(inner.ofType)]
  if (isEnumType(inner)) return inner.getValues()[0]?.name
  if (!isInputObjectType(inner)) return SAMPLES[inner.name]
  const fields = Object.values(inner.getFields())
  const isFlat = ({ type }: GraphQLInputField) => getNamedType(type) !== inner
  const given = inner.isOneOf ? fields.filter(isFlat).slice(0, 1) : fields.filter(isRequiredInputField)
  return Object.fromEntries(given.map((field) => [field.name, sampleOf(field.type)]))
}
