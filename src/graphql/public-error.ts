// What the outside may see of an error. Refusals, missing rights and outages speak for themselves;
// everything else is a bug: logged here with a reference, and masked.
import { GraphQLError } from 'graphql'
import { AccessError, outageIn, Refusal, Unavailable } from '../domain/errors.ts'
import type { Logger } from '../domain/ports.ts'
import type { ErrorCode } from './error-code.ts'
import { requestId } from './request-id.ts'

const RETRY_AFTER_SECONDS = '5'

/** Makes the function that every error passes on its way out, over HTTP and WebSocket alike. */
export function errorMask(log: Logger) {
  return (error: unknown): GraphQLError => {
    const cause = rootCause(error)
    const place = placeOf(error)
    const say = (code: ErrorCode, message: string, more: object = {}) =>
      new GraphQLError(message, { ...place, extensions: { code, ...more } })

    if (cause instanceof Refusal) {
      return say('BAD_USER_INPUT', cause.message, { inputPath: cause.errors[0]?.path ?? [] })
    }
    if (cause instanceof AccessError) {
      return say(cause.code, cause.message, cause.code === 'UNAUTHENTICATED' ? { http: { status: 401 } } : {})
    }
    if (cause instanceof Unavailable) {
      const http = { status: 503, headers: { 'retry-after': RETRY_AFTER_SECONDS } }
      return say(cause.code, cause.message, { http })
    }
    // Not `cause`: a GraphQLError around a plain error of a scalar is that error's public form only when made here.
    if (error instanceof GraphQLError && cause instanceof GraphQLError) return coded(error)
    const reference = { requestId: requestId() }
    log.error({ error: cause, ...reference, path: place?.path }, 'an unexpected error was masked')
    return say('INTERNAL_SERVER_ERROR', 'Unexpected error.', reference)
  }
}

/** The code that an error will have outside. */
export function publicCode(error: unknown): string {
  const cause = rootCause(error)
  if (cause instanceof Refusal) return 'BAD_USER_INPUT'
  if (cause instanceof AccessError || cause instanceof Unavailable) return cause.code
  if (cause instanceof GraphQLError) return String(cause.extensions.code ?? 'BAD_USER_INPUT')
  return 'INTERNAL_SERVER_ERROR'
}

/**
 * Errors that graphql-js itself makes while executing come without a code: they speak of the caller's input.
 * Yoga adds the error of the JSON parser to its own; that is nobody's business, and the status of it is 400
 * whatever the caller accepts.
 */
function coded(error: GraphQLError): GraphQLError {
  const { originalError, http, ...extensions } = error.extensions
  const message = withoutValues(error.message)
  if (originalError === undefined && extensions.code && message === error.message) return error
  const strict = originalError === undefined || typeof http !== 'object' ? http : { ...http, spec: false }
  return new GraphQLError(message, {
    ...placeOf(error),
    extensions: {
      ...extensions,
      code: extensions.code ?? 'BAD_USER_INPUT',
      ...(strict ? { http: strict } : {}),
    },
  })
}

/**
 * graphql-js repeats whole values that do not fit, and the objects around a field that is missing or unknown. They may
 * hold secrets or a person's data, and errors end up in logs on the way: what was expected, and where, is enough.
 */
export function withoutValues(message: string): string {
  return message
    .replace(
      /^(Variable "\$\w+") got invalid value .*?(?=(?: at "[^"]*")?; (?:Expected |Value "|\w+ (?:cannot|must) ))/s,
      '$1 got an invalid value',
    )
    .replace(/, found: .*$/s, '.')
    .replace(/ Found: .*$/s, '')
    .replace(/( cannot represent [\w -]+): .*$/s, '$1.')
}

/** Where in the document, and where in the answer. */
function placeOf(error: unknown) {
  if (!(error instanceof GraphQLError)) return null
  const { nodes, source, positions, path } = error
  return { nodes, source, positions, path }
}

function rootCause(error: unknown): unknown {
  let cause = error
  while (cause instanceof GraphQLError && cause.originalError) cause = cause.originalError
  return outageIn(cause) ?? cause
}
