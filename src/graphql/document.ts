// What a document may look like, before it is validated. Everything is counted as it would be with all fragments
// written out; each fragment is counted once and remembered, so that doubling fragments cost nothing to refuse.
import {
  type DocumentNode,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  Lexer,
  parse,
  type SelectionNode,
  type SelectionSetNode,
  Source,
  TokenKind,
} from 'graphql'
import type { ErrorCode } from './error-code.ts'
import { refusal } from './refusal.ts'

const MAX_BYTES = 32 * 1024
const MAX_TOKENS = 1000
const MAX_OPERATIONS = 10
const MAX_VARIABLES = 50
const MAX_ALIASES = 30
const MAX_ROOT_FIELDS = 20
const MAX_DIRECTIVES = 20
const MAX_FIELDS = 300

interface Shape {
  depth: number
  fields: number
  rootFields: number
  aliases: number
  directives: number
}
export interface ReadDocument {
  source: Source
  document: DocumentNode
  /** Asks for parts of the schema. */
  introspects: boolean
  /** Asks for nothing else. */
  onlyIntrospects: boolean
}

/**
 * Parses a document and refuses one that is too large in any way.
 * @throws GraphQLError with a code such as TOKEN_LIMIT, or a syntax error
 */
export function readDocument(text: string, maxDepth: number): ReadDocument {
  if (text.length > MAX_BYTES || Buffer.byteLength(text) > MAX_BYTES) {
    throw wrong('DOCUMENT_LIMIT', `The document must have at most ${MAX_BYTES} bytes.`)
  }
  const source = new Source(text)
  const document = parsed(source)
  const fragments = new Map<string, FragmentDefinitionNode>()
  for (const node of document.definitions) {
    if (node.kind === Kind.FRAGMENT_DEFINITION) fragments.set(node.name.value, node)
  }
  const shapeOf = measurer(fragments)
  // The fields at the top of operations and of fragments, which may be spread there.
  const roots: string[] = []
  let operations = 0
  for (const node of document.definitions) {
    if (node.kind !== Kind.OPERATION_DEFINITION && node.kind !== Kind.FRAGMENT_DEFINITION) continue
    if (node.kind === Kind.OPERATION_DEFINITION) {
      const shape = shapeOf(node.selectionSet)
      check({ ...shape, directives: shape.directives + (node.directives?.length ?? 0) }, maxDepth)
      if ((node.variableDefinitions?.length ?? 0) > MAX_VARIABLES) {
        throw wrong('VARIABLE_LIMIT', `An operation may have at most ${MAX_VARIABLES} variables.`)
      }
      operations += 1
    }
    roots.push(...rootNames(node.selectionSet))
  }
  if (operations > MAX_OPERATIONS) {
    throw wrong('OPERATION_LIMIT', `The document may have at most ${MAX_OPERATIONS} operations.`)
  }
  return {
    source,
    document,
    introspects: roots.some(isIntrospection),
    onlyIntrospects: operations > 0 && isOnly(document),
  }
}

/** As GraphQL over HTTP has it: 400, and 200 for whoever accepts plain JSON only. */
const WRONG = { status: 400, spec: true }
const wrong = (code: ErrorCode, message: string) => refusal(code, message, WRONG)

const isIntrospection = (name: string) => name === '__schema' || name === '__type'

function isOnly({ definitions }: DocumentNode): boolean {
  return definitions.every(
    (node) =>
      node.kind !== Kind.OPERATION_DEFINITION ||
      node.selectionSet.selections.every(
        (one) =>
          one.kind === Kind.FIELD && (isIntrospection(one.name.value) || one.name.value === '__typename'),
      ),
  )
}

function rootNames({ selections }: SelectionSetNode): string[] {
  return selections.flatMap((one) => {
    if (one.kind === Kind.FIELD) return [one.name.value]
    return one.kind === Kind.INLINE_FRAGMENT ? rootNames(one.selectionSet) : []
  })
}

function parsed(text: Source): DocumentNode {
  try {
    countTokens(text)
    return parse(text)
  } catch (error) {
    if (!(error instanceof GraphQLError) || error.extensions.code) throw error
    const { message, source, positions } = error
    const extensions = { code: 'GRAPHQL_PARSE_FAILED' satisfies ErrorCode, http: WRONG }
    throw new GraphQLError(message, { source, positions, extensions })
  }
}

function countTokens(text: Source): void {
  const lexer = new Lexer(text)
  for (let count = 0; lexer.advance().kind !== TokenKind.EOF; count += 1) {
    if (count >= MAX_TOKENS) throw wrong('TOKEN_LIMIT', `The document may have at most ${MAX_TOKENS} tokens.`)
  }
}

function check(shape: Shape, maxDepth: number): void {
  const limits: [keyof Shape, number, ErrorCode, string][] = [
    ['depth', maxDepth, 'DEPTH_LIMIT', 'levels of fields'],
    ['aliases', MAX_ALIASES, 'ALIAS_LIMIT', 'aliases'],
    ['rootFields', MAX_ROOT_FIELDS, 'ROOT_FIELD_LIMIT', 'fields at the top'],
    ['directives', MAX_DIRECTIVES, 'DIRECTIVE_LIMIT', 'directives'],
    ['fields', MAX_FIELDS, 'FIELD_LIMIT', 'fields'],
  ]
  for (const [key, limit, code, what] of limits) {
    if (shape[key] > limit) throw wrong(code, `An operation may have at most ${limit} ${what}.`)
  }
}

function measurer(fragments: ReadonlyMap<string, FragmentDefinitionNode>) {
  const known = new Map<string, Shape>()
  const nothing: Shape = { depth: 0, fields: 0, rootFields: 0, aliases: 0, directives: 0 }

  const ofSelection = (node: SelectionNode): Shape => {
    const directives = node.directives?.length ?? 0
    if (node.kind === Kind.FRAGMENT_SPREAD) {
      const inner = ofFragment(node.name.value)
      return { ...inner, directives: inner.directives + directives }
    }
    if (node.kind === Kind.INLINE_FRAGMENT) {
      const inner = ofSet(node.selectionSet)
      return { ...inner, directives: inner.directives + directives }
    }
    const inner = node.selectionSet ? ofSet(node.selectionSet) : nothing
    const aliases = inner.aliases + (node.alias ? 1 : 0)
    const shape = { ...inner, rootFields: 1, aliases, directives: inner.directives + directives }
    // Below __schema a rule of graphql-js bounds the depth; the official introspection query is 15 deep.
    if (isIntrospection(node.name.value)) return { ...shape, depth: 1, fields: 1 }
    return { ...shape, depth: inner.depth + 1, fields: inner.fields + 1 }
  }
  const ofSet = ({ selections }: SelectionSetNode): Shape =>
    selections.map(ofSelection).reduce(
      (sum, one) => ({
        depth: Math.max(sum.depth, one.depth),
        fields: sum.fields + one.fields,
        rootFields: sum.rootFields + one.rootFields,
        aliases: sum.aliases + one.aliases,
        directives: sum.directives + one.directives,
      }),
      nothing,
    )
  const ofFragment = (name: string): Shape => {
    const shape = known.get(name)
    if (shape) return shape
    // Stands for itself inside a cycle, which validation then refuses.
    known.set(name, nothing)
    const fragment = fragments.get(name)
    const measured = fragment ? ofSet(fragment.selectionSet) : nothing
    known.set(name, measured)
    return measured
  }
  return ofSet
}
