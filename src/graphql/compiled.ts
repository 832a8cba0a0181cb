// Queries that come again are compiled to JavaScript, which answers them much faster than interpreting them.
// Whatever is out of the ordinary is left to the interpreter: its answers are the rule, and tests hold both together.
import {
  type DocumentNode,
  type ExecutionResult,
  GraphQLError,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  getOperationAST,
  getVariableValues,
  isEnumType,
  isInputObjectType,
  isSpecifiedScalarType,
  type OperationDefinitionNode,
  OperationTypeNode,
  type Source,
  type SourceLocation,
  typeFromAST,
} from 'graphql'
import { type CompiledQuery, compileQuery, isCompiledQuery } from 'graphql-jit'
import type { ReadDocument } from './document.ts'

/** What an executor is given. */
interface Asked {
  schema: GraphQLSchema
  document: DocumentNode
  operationName?: string | null | undefined
  variableValues?: Readonly<Record<string, unknown>> | null | undefined
  contextValue?: unknown
}
type Answer = ExecutionResult | Promise<ExecutionResult>
interface Known {
  uses: number
  /** Null: not to be compiled. */
  query?: CompiledQuery['query'] | null
  /** The variables are left to the compiled code: it reads the scalars of GraphQL and enums as the rule does. */
  isPlain: boolean
}

/** How often a query must have come before it is compiled: compiling takes milliseconds. */
const USES = 2

export function compiledQueries() {
  const known = new WeakMap<OperationDefinitionNode, Known>()

  /** Whether the operation is compiled already. */
  const has = (document: DocumentNode, operationName: string | null | undefined): boolean => {
    const operation = getOperationAST(document, operationName)
    return Boolean(operation && known.get(operation)?.query)
  }
  /** Answers a query by its compiled form, or with null when it is for the interpreter. */
  const answer = (asked: Asked, read: ReadDocument | undefined): Promise<ExecutionResult | null> | null => {
    const operation = getOperationAST(asked.document, asked.operationName)
    if (!operation || !read) return null
    const entry = known.get(operation) ?? { uses: 0, isPlain: hasPlainVariables(asked.schema, operation) }
    known.set(operation, entry)
    entry.uses += 1
    if (entry.uses < USES) return null
    if (entry.query === undefined) entry.query = compiled(asked, read, operation)
    if (!entry.query || !(entry.isPlain || areValid(asked, operation))) return null
    return finished(entry.query({}, asked.contextValue, asked.variableValues ?? {}), read.source)
  }
  return { has, answer }
}

function compiled(
  { schema, document }: Asked,
  { introspects, source }: ReadDocument,
  operation: OperationDefinitionNode,
): CompiledQuery['query'] | null {
  const isOrdinary = operation.operation === OperationTypeNode.QUERY && !introspects
  // In the generated code that name would set a prototype.
  if (!isOrdinary || source.body.includes('__proto__') || hasEndlessVariables(schema, operation)) return null
  // Texts, numbers and enums leave as the columns hold them.
  const options = { disableLeafSerialization: true }
  const query = compileQuery(schema, document, operation.name?.value ?? '', options)
  return isCompiledQuery(query) ? query.query : null
}

function hasPlainVariables(schema: GraphQLSchema, operation: OperationDefinitionNode): boolean {
  return (operation.variableDefinitions ?? []).every(({ type }) => {
    const named = getNamedType(typeFromAST(schema, type))
    return named !== undefined && (isEnumType(named) || isSpecifiedScalarType(named))
  })
}

/**
 * Of a type of input that holds itself, such as a rule. The compiler writes the reading of variables out, level by
 * level: for these it would not end before the stack does, and hold everybody up for seconds.
 */
function hasEndlessVariables(schema: GraphQLSchema, operation: OperationDefinitionNode): boolean {
  const holdsItself = (type: GraphQLNamedType | undefined, above: readonly GraphQLNamedType[]): boolean =>
    isInputObjectType(type) &&
    (above.includes(type) ||
      Object.values(type.getFields()).some((field) =>
        holdsItself(getNamedType(field.type), [...above, type]),
      ))
  return (operation.variableDefinitions ?? []).some(({ type }) =>
    holdsItself(getNamedType(typeFromAST(schema, type)), []),
  )
}

function areValid({ schema, variableValues }: Asked, operation: OperationDefinitionNode): boolean {
  const definitions = operation.variableDefinitions ?? []
  return !('errors' in getVariableValues(schema, definitions, variableValues ?? {}, { maxErrors: 1 }))
}

/** Null for variables that do not fit: the interpreter says in what way. */
async function finished(answer: Answer, source: Source): Promise<ExecutionResult | null> {
  const result = await answer
  if (!result.errors) return result
  if (result.data === undefined) return null
  return { ...result, errors: result.errors.map((error) => located(error, source)) }
}

/** The error as GraphQL makes it: the compiled code gives it places, but no source. */
function located(error: GraphQLError, source: Source): GraphQLError {
  const { message, path, originalError, extensions } = error
  const positions = error.locations?.map((place) => positionOf(place, source.body)) ?? null
  return new GraphQLError(message, {
    source,
    positions,
    path,
    originalError: originalError ?? null,
    extensions,
  })
}

function positionOf({ line, column }: SourceLocation, text: string): number {
  let start = 0
  for (const match of text.matchAll(/\r\n|[\n\r]/g)) {
    if (line === 1) break
    line -= 1
    start = match.index + match[0].length
  }
  return start + column - 1
}
