import { GraphQLError } from 'graphql'

/** A document or request that is refused before anything is executed. */
export function refusal(
  code: string,
  message: string,
  http: { status: number } = { status: 400 },
): GraphQLError {
  return new GraphQLError(message, { extensions: { code, http } })
}
