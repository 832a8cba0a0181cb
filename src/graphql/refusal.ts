import { GraphQLError } from 'graphql'
import type { ErrorCode } from './error-code.ts'

/** A document or request that is refused before anything is executed. */
export function refusal(
  code: ErrorCode,
  message: string,
  http: { status: number; spec?: boolean } = { status: 400 },
): GraphQLError {
  return new GraphQLError(message, { extensions: { code, http } })
}
