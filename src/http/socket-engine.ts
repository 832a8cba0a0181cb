import { type ExecutionArgs, GraphQLError } from 'graphql'
import { makeServer } from 'graphql-ws'
import type { WebSocket } from 'ws'
import type { Logger } from '../domain/ports.ts'
import type { ApiParts } from '../graphql/context.ts'
import { errorMask } from '../graphql/public-error.ts'
import type { TrustedDocuments } from '../graphql/trusted-documents.ts'
import type { Admission, Authenticate, Credentials } from './auth.ts'
import { publicJson } from './result.ts'
import type { Seat } from './shared-streams.ts'
import type { Outlet } from './stream-group.ts'
import type { GatewayYoga } from './yoga.ts'

const INIT_WAIT_MS = 3_000
const MAX_OPERATIONS = 50
// Clients give up for good on 4401, so it is for those alone that show no token at all.
const UNAUTHORIZED = 4401
const TRY_AGAIN_LATER = 1013
const FORBIDDEN = 4403
const TOO_MANY_REQUESTS = 4429

const END = Buffer.from('}')
const TEXT = { binary: false }

/** What belongs to a socket. */
export interface SocketExtra {
  socket: WebSocket
  /** What the handshake says of who it is; dropped when the client has said it. */
  credentials: Credentials | null
  /** Once the client has said who it is. */
  admission?: Admission
}
/** What an operation needs to be run. */
interface Operation {
  engine: ReturnType<GatewayYoga['getEnveloped']>
  seat: Seat
}

/** The protocol's state machine over yoga's engine. */
export function socketEngine(options: {
  parts: Pick<ApiParts, 'sessions'>
  yoga: GatewayYoga
  authenticate: Authenticate
  documents: TrustedDocuments
  log: Logger
}) {
  const { yoga, authenticate, documents } = options
  const { sessions } = options.parts
  const mask = errorMask(options.log)
  // An operation's own parse, validate, execute and subscribe, with its context: found again when it is executed.
  const operations = new WeakMap<object, Operation>()
  const run = async (how: 'execute' | 'subscribe', args: ExecutionArgs) => {
    try {
      const operation = operations.get(args)
      if (!operation) throw new Error('an operation lost its engine')
      const result = await operation.engine[how](args)
      const { joined } = operation.seat
      if (!joined) return result
      // A quiet stream lasts long, and its context is large.
      operations.delete(args)
      args.contextValue = null
      return joined
    } catch (error) {
      return { errors: [mask(error)] }
    }
  }

  return makeServer<Record<string, unknown>, SocketExtra>({
    connectionInitWaitTimeout: INIT_WAIT_MS,
    async onConnect({ connectionParams = {}, extra }) {
      const { credentials } = extra
      extra.credentials = null
      const authorization = text(connectionParams.authorization) ?? credentials?.authorization
      if (!authorization) {
        extra.socket.close(UNAUTHORIZED, 'Unauthorized')
        return false
      }
      const sandboxName = text(connectionParams['x-sandbox-name']) ?? credentials?.sandboxName
      const address = credentials?.address ?? 'unknown'
      const admission = await authenticate({ authorization, sandboxName, address })
      // False: the socket is closed with 4403.
      if ('denied' in admission) {
        if (admission.denied.status === 503) extra.socket.close(TRY_AGAIN_LATER, 'Try again later')
        return false
      }
      extra.admission = admission
      const { socket } = extra
      const unwatch = sessions.watch(admission.session, () => socket.close(FORBIDDEN, 'Forbidden'))
      if (socket.readyState === socket.CLOSED) unwatch()
      else socket.once('close', unwatch)
      return true
    },
    async onSubscribe({ extra, subscriptions }, id, payload) {
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
      const seat: Seat = { outlet: outletOf(extra.socket, id) }
      try {
        const { variables, operationName } = payload
        const query = documents.textOf(payload)
        const engine = yoga.getEnveloped({ params: { query }, ...extra.admission, ...counted, seat })
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
        operations.set(args, { engine, seat })
        return args
      } catch (error) {
        return [mask(error)]
      }
    },
    execute: (args) => run('execute', args),
    subscribe: (args) => run('subscribe', args),
    onNext: (_ctx, _id, _payload, _args, { data, errors, extensions }) =>
      errors
        ? {
            ...(data !== undefined && { data }),
            errors: errors.map(publicJson),
            ...(extensions && { extensions }),
          }
        : undefined,
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

/** Sends payloads of one operation in the protocol's frames, past its state machine, which is not needed for that. */
function outletOf(socket: WebSocket, id: string): Outlet {
  const start = Buffer.from(`{"id":${JSON.stringify(id)},"type":"next","payload":`)
  return {
    get waiting() {
      return socket.bufferedAmount
    },
    send(text, done) {
      socket.send(Buffer.concat([start, text, END]), TEXT, done)
    },
  }
}
