// Documents that the operator has put into a folder: clients ask for them by hash or by name instead of sending them,
// and where only they are allowed, nobody can make the gateway execute anything else.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { GraphQLError, type GraphQLSchema, getLocation, Kind, validate } from 'graphql'
import { readDocument } from './document.ts'
import { refusal } from './refusal.ts'

/** The members of a request that may name a document, whatever the client has put there. */
export interface Named {
  query?: unknown
  /** `sha256:` and the hash in hex, or the name of the operation. */
  documentId?: unknown
  /** `persistedQuery.sha256Hash`, as Apollo's clients send it. */
  extensions?: unknown
}
export interface TrustedDocuments {
  /**
   * The text that a request asks for.
   * @throws GraphQLError when there is none, or it is not to be executed here
   */
  textOf(named: Named): string
}

/** Where there is no folder: every text is taken, and no id is known. */
export const anyDocument: TrustedDocuments = resolver(null, { only: false })

interface Rules {
  schema: GraphQLSchema
  maxQueryDepth: number
}

/**
 * Reads the folder, once.
 * @param options `only` refuses every text that is not in the folder
 * @throws Error listing every file, with line, that is no valid document with one named operation
 */
export function trustedDocuments(folder: string, options: Rules & { only: boolean }): TrustedDocuments {
  return resolver(readFolder(folder, options), options)
}

function resolver(byId: ReadonlyMap<string, string> | null, { only }: { only: boolean }): TrustedDocuments {
  const texts = new Set(byId?.values())

  return {
    textOf({ query, documentId, extensions }) {
      const id = idOf(documentId) ?? hashOf(extensions)
      const hasText = typeof query === 'string' && query !== ''
      if (hasText && documentId != null) throw badRequest('Send query or documentId, not both.')
      // Apollo's clients send hash and text when the hash alone was not known: nothing is learned from that.
      if (id !== null && !hasText) return byId?.get(id) ?? unknown(byId)
      if (query == null) throw badRequest('Must provide query string.')
      if (typeof query !== 'string') throw badRequest('query must be a string.')
      if (only && !texts.has(query.trim())) {
        throw refusal(
          'TRUSTED_DOCUMENTS_ONLY',
          'Only documents that the operator has put up are executed here.',
        )
      }
      return query
    },
  }
}

function unknown(byId: object | null): never {
  if (byId) throw refusal('PERSISTED_QUERY_NOT_FOUND', 'There is no document with this id.')
  throw refusal('PERSISTED_QUERY_NOT_SUPPORTED', 'No documents have been put up here: send the text.')
}

function idOf(documentId: unknown): string | null {
  if (documentId == null) return null
  if (typeof documentId !== 'string') throw badRequest('documentId must be a string.')
  return documentId
}

function hashOf(extensions: unknown): string | null {
  const hash = (extensions as { persistedQuery?: { sha256Hash?: unknown } | null } | null | undefined)
    ?.persistedQuery?.sha256Hash
  if (hash == null) return null
  if (typeof hash !== 'string') throw badRequest('sha256Hash must be a string.')
  return `sha256:${hash}`
}

const badRequest = (message: string) => refusal('BAD_REQUEST', message)

function readFolder(folder: string, rules: Rules): Map<string, string> {
  const byId = new Map<string, string>()
  const problems: string[] = []
  for (const name of fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    if (!/\.(graphql|gql)$/.test(name)) continue
    const file = path.join(folder, name)
    const text = fs.readFileSync(file, 'utf8').trim()
    try {
      const operation = operationOf(text, rules)
      if (byId.has(operation)) throw new Error(`another file has an operation called ${operation}`)
      byId.set(operation, text)
      byId.set(`sha256:${createHash('sha256').update(text).digest('hex')}`, text)
    } catch (error) {
      problems.push(...told(file, error))
    }
  }
  if (problems.length > 0)
    throw new Error(['These trusted documents cannot be used:', ...problems].join('\n'))
  return byId
}

/** The name of the only operation. @throws whatever is wrong with the document */
function operationOf(text: string, { schema, maxQueryDepth }: Rules): string {
  const { document } = readDocument(text, maxQueryDepth)
  const errors = validate(schema, document)
  if (errors.length > 0) throw new AggregateError(errors)
  const [operation, ...others] = document.definitions.filter(
    (node) => node.kind === Kind.OPERATION_DEFINITION,
  )
  if (!operation?.name || others.length > 0) throw new Error('a file must have one operation, with a name')
  return operation.name.value
}

/** Lines such as `documents/segments.graphql:3: Cannot query field "nam" on type "Segment".` */
function told(file: string, error: unknown): string[] {
  if (error instanceof AggregateError) return error.errors.flatMap((one) => told(file, one))
  const line = error instanceof GraphQLError ? lineOf(error) : 1
  return [`  ${file}:${line}: ${error instanceof Error ? error.message : String(error)}`]
}

function lineOf({ source, positions, nodes }: GraphQLError): number {
  const loc = nodes?.[0]?.loc
  if (loc) return getLocation(loc.source, loc.start).line
  return source && positions?.[0] !== undefined ? getLocation(source, positions[0]).line : 1
}
