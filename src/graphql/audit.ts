// Who changed what: one line of the log for every mutation field, whichever way it came in, and for operations with
// mutations that were refused before they began. Never what was put in: that may hold secrets and personal data.
import {
  defaultFieldResolver,
  type GraphQLError,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
} from 'graphql'
import type { Session } from '../domain/access.ts'
import type { Logger } from '../domain/ports.ts'
import type { ApiContext } from './context.ts'
import { publicCode } from './public-error.ts'
import { requestId } from './request-id.ts'

interface Deed {
  session: Session
  /** The name that the client gave to the operation. */
  operation: string | undefined
  mutation: string
  /** The codes of what stood in the way; none when it was done. */
  refused: string[]
}

/** Makes every mutation of the schema leave its line. */
export function withAudit(schema: GraphQLSchema): GraphQLSchema {
  for (const field of Object.values(schema.getMutationType()?.getFields() ?? {})) {
    const resolve = field.resolve ?? defaultFieldResolver
    field.resolve = async (source, args, context: ApiContext, info) => {
      const leave = (refused: string[]) =>
        audit(context.parts.log, {
          session: context.session,
          operation: info.operation.name?.value,
          mutation: field.name,
          refused,
        })
      try {
        const payload: unknown = await resolve(source, args, context, info)
        leave(codesOf(payload))
        return payload
      } catch (error) {
        leave([publicCode(error)])
        throw error
      }
    }
  }
  return schema
}

/** Every payload has `errors`. */
function codesOf(payload: unknown): string[] {
  const { errors = [] } = (payload ?? {}) as { errors?: { code: string }[] }
  return errors.map(({ code }) => code)
}

/** For an operation that is refused as a whole: a line for each mutation in it. */
export function auditRefused(
  log: Logger,
  session: Session,
  { operation, errors }: { operation: OperationDefinitionNode; errors: readonly GraphQLError[] },
): void {
  if (operation.operation !== OperationTypeNode.MUTATION) return
  const refused = errors.map((error) => publicCode(error))
  for (const node of operation.selectionSet.selections) {
    const mutation = node.kind === Kind.FIELD ? node.name.value : '…'
    audit(log, { session, operation: operation.name?.value, mutation, refused })
  }
}

function audit(log: Logger, { session, operation, mutation, refused }: Deed): void {
  const { tokenId, name, sandbox } = session
  const outcome = refused.length === 0 ? 'done' : [...new Set(refused)].join(', ')
  const fields = { tokenId, tokenName: name, sandbox: sandbox.name, operation, mutation, outcome }
  log.info({ audit: true, ...fields, requestId: requestId() }, 'audit')
}
