import type { IncomingMessage } from 'node:http'
import { type ExecutionArgs, GraphQLError } from 'graphql'
import { makeServer } from 'graphql-ws'
import type { WebSocket } from 'ws'
import type { Logger } from '../domain/ports.ts'
import { errorMask } from '../graphql/public-error.ts'
import type { Admission, Authenticate } from './auth.ts'
import { publicJson } from './result.ts'
import type { GatewayYoga } from './yoga.ts'

const INIT_WAIT_MS = 3_000
const MAX_OPERATIONS = 50
// Clients give up for good on 4401, so it is for those alone that show no token at all.
const UNAUTHORIZED = 4401
const TRY_AGAIN_LATER = 1013
const FORBIDDEN = 4403
const TOO_MANY_REQUESTS = 4429

/** What belongs to a socket. */
export interface SocketExtra {
  socket: WebSocket
  request: IncomingMessage
  /** Once the client has said who it is. */
  admission?: Admission
}
type Engine = ReturnType<GatewayYoga['getEnveloped']>

/** The protocol's state machine over yoga's engine. */
export function socketEngine(options: { yoga: GatewayYoga; authenticate: Authenticate; log: Logger }) {
  const { yoga, authenticate } = options
  const mask = errorMask(options.log)
  // An operation's own parse, validate, execute and subscribe, with its context: found again when it is executed.
  const engines = new WeakMap<object, Engine>()
  const run = async (how: 'execute' | 'subscribe', args: ExecutionArgs) => {
    try {
      const engine = engines.get(args)
      if (!engine) throw new Error('an operation lost its engine')
      return await engine[how](args)
    } catch (error) {
      return { errors: [mask(error)] }
    }
  }

  return makeServer<Record<string, unknown>, SocketExtra>({
    connectionInitWaitTimeout: INIT_WAIT_MS,
    async onConnect({ connectionParams = {}, extra }) {
      const { headers, socket: connection } = extra.request
      const authorization = text(connectionParams.authorization) ?? headers.authorization
      if (!authorization) {
        extra.socket.close(UNAUTHORIZED, 'Unauthorized')
        return false
      }
      const sandboxName = text(connectionParams['x-sandbox-name']) ?? text(headers['x-sandbox-name'])
      const address = connection.remoteAddress ?? 'unknown'
      const admission = await authenticate({ authorization, sandboxName, address })
      // False: the socket is closed with 4403.
      if ('denied' in admission) {
        if (admission.denied.status === 503) extra.socket.close(TRY_AGAIN_LATER, 'Try again later')
        return false
      }
      extra.admission = admission
      return true
    },
    async onSubscribe({ extra, subscriptions }, _id, { query, variables, operationName }) {
      if (Object.keys(subscriptions).length > MAX_OPERATIONS) {
        extra.socket.close(TOO_MANY_REQUESTS, 'Too many operations')
        return [new GraphQLError('Too many operations.')]
      }
      const counted = await extra.admission?.again()
      if (counted && 'denied' in counted) {
        const { status, code, message } = counted.denied
        if (status === 401) extra.socket.close(FORBIDDEN, 'Forbidden')
        return [new GraphQLError(message, { extensions: { code } })]
      }
      const engine = yoga.getEnveloped({ params: { query }, ...extra.admission, ...counted })
      try {
        const { schema } = engine
        const document = engine.parse(query)
        const errors = engine.validate(schema, document)
        if (errors.length > 0) return errors
        const contextValue = await engine.contextFactory()
        const args: ExecutionArgs = {
          schema,
          document,
          operationName: operationName ?? null,
          variableValues: variables ?? null,
          contextValue,
          rootValue: {},
        }
        engines.set(args, engine)
        return args
      } catch (error) {
        return [mask(error)]
      }
    },
    execute: (args) => run('execute', args),
    subscribe: (args) => run('subscribe', args),
    onNext: (_ctx, _id, _payload, _args, { data, errors }) =>
      errors ? { ...(data !== undefined && { data }), errors: errors.map(publicJson) } : undefined,
    // The engine wraps what a stream throws; the masked error is inside.
    onError: (_ctx, _id, _payload, errors) =>
      errors.map((error) =>
        publicJson(error.cause instanceof GraphQLError ? error.cause : (error as GraphQLError)),
      ),
  })
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
