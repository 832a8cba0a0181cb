// Who changed what: a line of the audit log and one of the gateway's own log for every mutation field, whichever way it
// came in, and for operations with mutations that were refused before they began. Never what was put in: that may hold
// secrets and personal data.
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
import type { AuditService } from '../services/audit.ts'
import type { Actor } from '../storage/deed.ts'
import type { ApiContext } from './context.ts'
import { publicCode } from './public-error.ts'
import { requestId } from './request-id.ts'

/** Makes every mutation of the schema leave its lines. */
export function withAudit(schema: GraphQLSchema): GraphQLSchema {
  for (const field of Object.values(schema.getMutationType()?.getFields() ?? {})) {
    const resolve = field.resolve ?? defaultFieldResolver
    field.resolve = (source, args, context: ApiContext, info) => {
      const { session, parts } = context
      const actor = actorOf(session, { operation: info.operation, mutation: field.name })
      const told = (codes: string[]) => {
        tell(parts.log, session, { actor, codes })
        return codes
      }
      const codes = {
        ofValue: codesOf,
        ofError: (error: unknown) => [publicCode(error)],
      }
      const target = targetIn(args)
      return parts.services.audit.during(actor, { target, codes }, async () => {
        try {
          const payload: unknown = await resolve(source, args, context, info)
          told(codes.ofValue(payload))
          return payload
        } catch (error) {
          told(codes.ofError(error))
          throw error
        }
      })
    }
  }
  return schema
}

/** Every payload has `errors`. */
function codesOf(payload: unknown): string[] {
  const { errors = [] } = (payload ?? {}) as { errors?: { code: string }[] }
  return errors.map(({ code }) => code)
}

/** The id of what the mutation is about, where its arguments name one. */
function targetIn(args: Record<string, unknown>): string | null {
  const { input, ...direct } = args
  const named = { ...(input as object | undefined), ...direct } as Record<string, unknown>
  const id = named.id ?? named.dataflowId ?? named.runId
  return typeof id === 'string' && /^\w{1,60}$/.test(id) ? id : null
}

/** For an operation that is refused as a whole: a line for each mutation in it. */
export function auditRefused(
  { log, audit }: { log: Logger; audit: AuditService },
  session: Session,
  { operation, errors }: { operation: OperationDefinitionNode; errors: readonly GraphQLError[] },
): void {
  if (operation.operation !== OperationTypeNode.MUTATION) return
  const codes = errors.map((error) => publicCode(error))
  for (const node of operation.selectionSet.selections) {
    const mutation = node.kind === Kind.FIELD ? node.name.value : '…'
    const actor = actorOf(session, { operation, mutation })
    tell(log, session, { actor, codes })
    void audit.record({ actor, change: null, outcome: 'REFUSED', codes })
  }
}

function actorOf(
  session: Session,
  { operation, mutation }: { operation: OperationDefinitionNode; mutation: string },
): Actor {
  return { session, operation: mutation, clientOperation: operation.name?.value, requestId: requestId() }
}

function tell(log: Logger, session: Session, { actor, codes }: { actor: Actor; codes: string[] }): void {
  const { tokenId, name, sandbox } = session
  const outcome = codes.length === 0 ? 'done' : [...new Set(codes)].join(', ')
  const what = { operation: actor.clientOperation, mutation: actor.operation, outcome }
  log.info(
    { audit: true, tokenId, tokenName: name, sandbox: sandbox.name, ...what, requestId: actor.requestId },
    'audit',
  )
}
