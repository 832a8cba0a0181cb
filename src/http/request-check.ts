import type { GraphQLError } from 'graphql'
import { refusal } from '../graphql/refusal.ts'
import { type Answer, errorAnswer } from './answer.ts'

/** Headers that a page of another origin cannot send without asking first. */
const PREFLIGHT_HEADERS = ['graphql-require-preflight', 'x-graphql-yoga-csrf', 'apollo-require-preflight']

/** What answers are sent as. */
const ANSWERS = ['application/graphql-response+json', 'application/json', 'text/event-stream']

/** Refuses what the GraphQL endpoint does not speak, by method and headers alone; null when it may pass. */
export function refuseRequest(request: Pick<Request, 'method' | 'headers' | 'url'>): Answer | null {
  const { method, headers } = request
  if (method !== 'GET' && method !== 'POST') {
    const answer = errorAnswer(405, 'BAD_REQUEST', 'Use POST, or GET for queries.')
    return { ...answer, headers: { allow: 'GET, POST' } }
  }
  if (!isAcceptable(headers.get('accept'))) {
    return errorAnswer(406, 'NOT_ACCEPTABLE', `Accept one of ${ANSWERS.join(', ')}.`)
  }
  const encoding = headers.get('content-encoding')
  if (encoding && encoding !== 'identity') {
    return errorAnswer(415, 'UNSUPPORTED_MEDIA_TYPE', 'Send the body without compression.')
  }
  if (method === 'POST') {
    const isJson = /^application\/json\s*(;\s*charset="?utf-?8"?\s*)?$/i.test(
      headers.get('content-type') ?? '',
    )
    return isJson ? null : errorAnswer(415, 'UNSUPPORTED_MEDIA_TYPE', 'Send application/json in UTF-8.')
  }
  const isStream = headers.get('accept')?.toLowerCase().includes('text/event-stream')
  if (!isStream && !PREFLIGHT_HEADERS.some((name) => headers.has(name))) {
    const message = `Send a GET with the header ${PREFLIGHT_HEADERS[0]}: 1, or use POST.`
    return errorAnswer(403, 'PREFLIGHT_REQUIRED', message)
  }
  return refuseParameters(request.url)
}

/** Asked beforehand: a mutation whose answer cannot be sent should not be done. */
function isAcceptable(accept: string | null): boolean {
  const ranges = (accept || '*/*').split(',').map((range) => range.split(';', 1)[0]?.trim().toLowerCase())
  return ranges.some(
    (range) =>
      range === '*/*' || ANSWERS.some((type) => type === range || `${type.split('/')[0]}/*` === range),
  )
}

/** JSON in a query string that cannot be read is the caller's mistake, not ours. */
function refuseParameters(url: string): Answer | null {
  const start = url.indexOf('?')
  const parameters = new URLSearchParams(start < 0 ? '' : url.slice(start + 1))
  for (const name of ['variables', 'extensions']) {
    const text = parameters.get(name)
    if (text === null) continue
    try {
      JSON.parse(text)
    } catch {
      return errorAnswer(400, 'BAD_REQUEST', `${name} must be JSON.`)
    }
  }
  return null
}

/** A subscription where one answer was asked for. */
export function noStream(): GraphQLError {
  const message = 'Subscribe over WebSocket, or with the header accept: text/event-stream.'
  return refusal('NOT_ACCEPTABLE', message, { status: 406 })
}
