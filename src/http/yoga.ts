// GraphQL over HTTP and text/event-stream. Also the engine that the WebSocket runs on.
import { GraphQLError } from 'graphql'
import { createYoga, type Plugin } from 'graphql-yoga'
import type { Logger } from '../domain/ports.ts'
import type { ApiContext, NewContext } from '../graphql/context.ts'
import type { Guard } from '../graphql/guard.ts'
import { errorMask } from '../graphql/public-error.ts'
import { requestId } from '../graphql/request-id.ts'
import { schema } from '../graphql/schema.ts'
import type { TrustedDocuments } from '../graphql/trusted-documents.ts'
import { type Answer, denialAnswer, SECURITY_HEADERS, unavailableAnswer } from './answer.ts'
import type { Admission, Authenticate } from './auth.ts'
import { EVENT_STREAM, useEventStream } from './event-stream.ts'
import { editorPage } from './graphiql.ts'
import { endedEarly, MAX_BODY, readParams } from './params.ts'
import { rateHeaders } from './rate-limit.ts'
import { noStream, refuseRequest } from './request-check.ts'
import { type Seat, useSharedStreams } from './shared-streams.ts'

export interface EdgeConfig {
  graphiql: boolean
  introspection: 'always' | 'authenticated' | 'never'
  /** How long a query or mutation may take, in milliseconds; 10 seconds when absent. */
  deadlineMs?: number
  /** How often a quiet event stream says that it lives, in milliseconds; 12 seconds when absent. */
  keepAliveMs?: number
}
/** What comes with a request, and what authentication adds. */
export interface EdgeContext extends Partial<Admission> {
  address?: string
  seat?: Seat
  req?: { socket: { remoteAddress?: string | undefined; destroy(): void } }
}

export type GatewayYoga = ReturnType<typeof gatewayYoga>

export function gatewayYoga(options: {
  newContext: NewContext
  guard: Guard
  config: EdgeConfig
  authenticate: Authenticate
  documents: TrustedDocuments
  log: Logger
  plugins?: Plugin[]
}) {
  const { newContext, guard, config, authenticate, documents, log, plugins = [] } = options
  const maskError = errorMask(log)
  return createYoga<EdgeContext, ApiContext>({
    schema,
    context: ({ session, rate }) => {
      // The guard lets a caller without a session ask for the schema only.
      if (!session || !rate) return {} as ApiContext
      return newContext(session, rate)
    },
    plugins: [
      useDoor({ authenticate, config, documents, log }),
      guard.plugin,
      ...plugins,
      useSharedStreams(maskError),
      useEventStream(maskError, config.keepAliveMs),
    ],
    maskedErrors: { maskError, errorMessage: 'Unexpected error.', isDev: false },
    graphiql: config.graphiql,
    renderGraphiQL: async () => (await editorPage()).html,
    landingPage: false,
    cors: false,
    batching: false,
    multipart: false,
    logging: false,
    maxRequestBodySize: MAX_BODY,
    parserAndValidationCache: false,
  })
}

/** Refuses requests by their headers, and finds out who asks. */
function useDoor({
  authenticate,
  config,
  documents,
  log,
}: {
  authenticate: Authenticate
  config: EdgeConfig
  documents: TrustedDocuments
  log: Logger
}): Plugin<object, EdgeContext> {
  return {
    async onRequest({ request, serverContext, endResponse, fetchAPI }) {
      const end = ({ status, headers, body }: Answer) => {
        const type = { 'content-type': 'application/json; charset=utf-8' }
        endResponse(new fetchAPI.Response(JSON.stringify(body), { status, headers: { ...type, ...headers } }))
      }
      const refused = refuseRequest(request)
      if (refused) return end(refused)
      const authorization = request.headers.get('authorization')
      // Whoever may read the schema without a token gets as far as the guard, which sees to that.
      if (authorization === null && config.introspection === 'always') return
      const address = serverContext.address ?? serverContext.req?.socket.remoteAddress ?? 'unknown'
      const sandboxName = request.headers.get('x-sandbox-name')
      try {
        const admission = await authenticate({ authorization, sandboxName, address })
        if ('denied' in admission) return end(denialAnswer(admission.denied))
        Object.assign(serverContext, admission)
      } catch (error) {
        log.error({ error }, 'a request could not be authenticated')
        end(unavailableAnswer)
      }
    },
    onRequestParse({ request, setRequestParser }) {
      if (request.method !== 'POST') return
      setRequestParser(async (post) => {
        const body = await post.arrayBuffer().catch((error: unknown) => {
          throw error instanceof GraphQLError ? error : endedEarly()
        })
        return readParams(new Uint8Array(body), documents)
      })
    },
    onParams({ request, params, setParams }) {
      if (request.method !== 'GET') return
      const documentId = new URL(request.url).searchParams.get('documentId')
      setParams({ ...params, query: documents.textOf({ ...params, documentId }) })
    },
    onSubscribe({ args, setResultAndStopExecution }) {
      // Over HTTP alone: a client that does not ask for a stream would wait for the end of one.
      const request: Request | undefined = args.contextValue.request
      if (!request || request.headers.get('accept')?.toLowerCase().includes(EVENT_STREAM)) return
      setResultAndStopExecution({ errors: [noStream()] })
    },
    async onResponse({ response, serverContext: { rate } }) {
      if (rate) {
        for (const [name, value] of Object.entries(rateHeaders(rate))) response.headers.set(name, value)
      }
      response.headers.set('x-request-id', requestId())
      const isPage = response.headers.get('content-type')?.startsWith('text/html')
      for (const [name, value] of Object.entries(SECURITY_HEADERS)) {
        const isPolicy = isPage && name === 'content-security-policy'
        response.headers.set(name, isPolicy ? (await editorPage()).policy : value)
      }
    },
  }
}
