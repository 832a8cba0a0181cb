import type { ExecutionResult, GraphQLError, GraphQLFormattedError } from 'graphql'
import type { Answer } from './answer.ts'

export type MediaType = 'application/json' | 'application/graphql-response+json'

interface HttpHint {
  status?: number
  headers?: Record<string, string>
  /** The status is what GraphQL over HTTP wants: 200 for whoever accepts plain JSON only. */
  spec?: boolean
}

/** The answer to a result: its status and headers are the gravest of what its errors ask for. */
export function resultAnswer(result: ExecutionResult, type: MediaType): Answer {
  const headers: Record<string, string> = { 'content-type': `${type}; charset=utf-8` }
  if (!result.errors) return { status: 200, headers, body: result }
  let status = 200
  for (const { extensions } of result.errors) {
    const hint = extensions?.http as HttpHint | undefined // only refusals and masks write it
    Object.assign(headers, hint?.headers)
    const isForJson = type === 'application/json' && hint?.spec === true
    if (!isForJson) status = Math.max(status, hint?.status ?? 0)
  }
  return { status, headers, body: publicResult(result) }
}

/** A result as it is sent: its errors without what only HTTP answers need. */
export function publicResult(result: ExecutionResult): object {
  return result.errors ? { ...result, errors: result.errors.map(publicJson) } : result
}

export function publicJson(error: GraphQLError): GraphQLFormattedError {
  const { extensions = {}, ...rest } = error.toJSON()
  const { http: _, ...visible } = extensions
  return { ...rest, extensions: visible }
}
