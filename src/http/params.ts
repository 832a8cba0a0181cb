// What a POST says: the same reading for both ways that a request can take.
import { isUtf8 } from 'node:buffer'
import type { GraphQLParams } from 'graphql-yoga'
import { refusal } from '../graphql/refusal.ts'
import type { TrustedDocuments } from '../graphql/trusted-documents.ts'

export const MAX_BODY = 256 * 1024
const KNOWN = new Set(['query', 'documentId', 'variables', 'operationName', 'extensions'])
const BYTE_ORDER_MARK = 0xef

export type Params = GraphQLParams & { query: string }

/** @throws GraphQLError for a body that is no GraphQL request, or names no document that may be executed */
export function readParams(body: Uint8Array, documents: TrustedDocuments): Params {
  const params = parseJson(body)
  if (Array.isArray(params)) throw badRequest('Send one operation; batches are not taken.')
  if (!isObject(params)) throw badRequest('The body must be a JSON object.')
  const unknown = Object.keys(params).find((name) => !KNOWN.has(name) && params[name] != null)
  if (unknown !== undefined)
    throw badRequest(`There is no parameter ${JSON.stringify(unknown.slice(0, 80))}.`)
  const { variables, operationName, extensions } = params
  if (operationName != null && typeof operationName !== 'string') {
    throw badRequest('operationName must be a string.')
  }
  if (variables != null && !isObject(variables)) throw badRequest('variables must be an object.')
  if (extensions != null && !isObject(extensions)) throw badRequest('extensions must be an object.')
  return {
    query: documents.textOf(params),
    ...(variables && { variables }),
    ...(operationName && { operationName }),
    ...(extensions && { extensions }),
  }
}

function parseJson(body: Uint8Array): unknown {
  if (!isUtf8(body) || body[0] === BYTE_ORDER_MARK) {
    throw badRequest('The body must be JSON in UTF-8, without a byte order mark.')
  }
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'))
  } catch {
    throw badRequest('The body must be JSON.')
  }
}

/** For a body that its sender does not finish. */
export const endedEarly = () => badRequest('The body ended early.')

const badRequest = (message: string) => refusal('BAD_REQUEST', message)

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
