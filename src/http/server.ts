// The HTTP edge: routes, limits of connections, and the order in which it stops.
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { SchedulerStanding } from '../domain/ports.ts'
import { type ApiParts, contextFactory } from '../graphql/context.ts'
import { guard } from '../graphql/guard.ts'
import { withRequestId } from '../graphql/request-id.ts'
import { anyDocument, type TrustedDocuments } from '../graphql/trusted-documents.ts'
import { type Answer, denialAnswer, errorAnswer, unavailableAnswer } from './answer.ts'
import { authenticator } from './auth.ts'
import { importRoute } from './import-route.ts'
import { limitsTogether } from './limits-together.ts'
import { metricsRoute } from './metrics-route.ts'
import { oauthRoute } from './oauth-route.ts'
import { operationCounts } from './operation-counts.ts'
import { newLimits } from './rate-limit.ts'
import { credentialsOf, limitBodyTime, pathOf, send } from './request.ts'
import { requestTimes } from './request-times.ts'
import { shortWay } from './short-way.ts'
import { socketEdge } from './websocket.ts'
import { type EdgeConfig, gatewayYoga } from './yoga.ts'

export interface HttpServerOptions {
  parts: ApiParts
  config: EdgeConfig & { host: string; port: number; requestsPerMinute: number }
  /** Which documents are known or allowed; any when absent. */
  documents?: TrustedDocuments
  /** Whether this gateway's engine runs: a part of being ready. */
  isEngineRunning: () => boolean
  /** How this gateway's scheduler stands: a part of being ready, too. */
  scheduler: () => SchedulerStanding
}
export interface HttpServer {
  /** Resolves with the port when connections are accepted. @throws when the port is taken */
  start(): Promise<{ port: number }>
  /** Takes no more connections, ends streams, and gives requests under way `graceMs` to finish. */
  stop(graceMs: number): Promise<void>
}

const HEADERS_TIMEOUT_MS = 5_000
const KEEP_ALIVE_MS = 5_000
const CHECK_INTERVAL_MS = 1_000
const MAX_HEADERS = 16 * 1024
const MAX_HEADER_LINES = 100
const MAX_REQUESTS_PER_SOCKET = 1_000

export function httpServer({
  parts,
  config,
  documents = anyDocument,
  isEngineRunning,
  scheduler,
}: HttpServerOptions): HttpServer {
  const { log } = parts
  const counting = { clock: parts.clock, requestsPerMinute: config.requestsPerMinute }
  const together = parts.database.isShared ? limitsTogether(parts) : null
  const limits = newLimits({ ...counting, ...(together && { onUntold: together.tellSoon }) })
  const authenticate = authenticator(parts, limits)
  const operations = operationCounts()
  const way = {
    newContext: contextFactory(parts),
    guard: guard({ ...config, guardrails: parts.guardrails, log, audit: parts.services.audit }),
    authenticate,
    documents,
    log,
  }
  const yoga = gatewayYoga({ ...way, config, plugins: [operations.plugin] })
  const short = shortWay({ ...way, yoga, operations })
  const sockets = socketEdge({ parts, yoga, authenticate, documents, log })
  const importProfiles = importRoute(parts)
  const issueToken = oauthRoute({ parts, limits })
  const requests = requestTimes()
  const streams = new Set<ServerResponse>()
  const metrics = metricsRoute({
    parts,
    operations: operations.counts,
    scheduler,
    requestDurations: requests.durations,
    open: {
      sockets: sockets.count,
      streams: () => [...streams].filter(isEventStream).length,
      subscriptions: parts.slots.count,
    },
  })
  let isDraining = false

  const readiness = async (): Promise<Answer> => {
    const isReachable = await parts.database.ping().then(
      () => true,
      () => false,
    )
    const { isAlive, heartbeatAt, lagMs } = scheduler()
    const checks = {
      database: isReachable,
      engine: isEngineRunning(),
      scheduler: isAlive,
      draining: isDraining,
    }
    const isReady = checks.database && checks.engine && checks.scheduler && !isDraining
    const status = isReady ? 'ready' : 'not ready'
    return {
      status: isReady ? 200 : 503,
      body: { status, checks, scheduler: { heartbeatAt, lagSeconds: lagMs / 1000 } },
    }
  }
  const answer = async (req: IncomingMessage, res: ServerResponse, path: string): Promise<Answer | null> => {
    const type = short.fits(req)
    if (type) return short.answer(req, type)
    if (path !== '/import') limitBodyTime(req, res)
    if (path === '/graphql') {
      streams.add(res)
      res.once('close', () => streams.delete(res))
      await yoga(req, res)
      return null
    }
    if (path === '/healthz') return { status: 200, body: { status: 'alive' } }
    if (path === '/readyz') return readiness()
    if (path === '/oauth/token') return issueToken(req)
    const admission = await authenticate(credentialsOf(req))
    if ('denied' in admission) return denialAnswer(admission.denied)
    if (path === '/import') return importProfiles(req, admission.session)
    if (path === '/metrics') return metrics(req, admission.session)
    return errorAnswer(404, 'NOT_FOUND', 'There is nothing at this address. GraphQL is at /graphql.')
  }
  const handle = async (req: IncomingMessage, res: ServerResponse) => {
    const path = pathOf(req)
    requests.measure(req, res, path)
    if (isDraining) res.setHeader('connection', 'close')
    if (req.rawHeaders.length > 2 * MAX_HEADER_LINES) return send(req, res, tooManyHeaders)
    try {
      const result = await answer(req, res, path)
      if (result) send(req, res, result)
    } catch (error) {
      const hasGone = req.destroyed && !req.complete
      if (hasGone) return log.debug({ error, path }, 'a client went away')
      log.error({ error, path }, 'a request failed')
      if (!res.headersSent) send(req, res, unavailableAnswer)
      else res.destroy()
    }
  }
  const server = http.createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      // Bodies have deadlines of their own below: an import may take long.
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
      maxHeaderSize: MAX_HEADERS,
    },
    (req, res) => withRequestId(() => handle(req, res)),
  )
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_SOCKET
  server.on('upgrade', (req, socket, head) => sockets.upgrade(req, socket, head))

  return {
    start: () =>
      new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen(config.port, config.host, () => {
          server.off('error', reject)
          together?.start(limits)
          server.on('error', (error) => log.error({ error }, 'the HTTP server failed'))
          resolve({ port: portOf(server.address()) })
        })
      }),
    async stop(graceMs) {
      isDraining = true
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      sockets.close()
      for (const res of streams) if (isEventStream(res)) res.destroy()
      server.closeIdleConnections()
      const timer = setTimeout(() => {
        sockets.terminate()
        server.closeAllConnections()
      }, graceMs)
      await closed
      clearTimeout(timer)
      await together?.stop()
      await yoga.dispose()
    },
  }
}

const tooManyHeaders = errorAnswer(431, 'BAD_REQUEST', `Send at most ${MAX_HEADER_LINES} headers.`)

/** Told from the request: node forgets the headers of an answer that were sent in one go. */
function isEventStream({ req, headersSent }: ServerResponse): boolean {
  return headersSent && req.headers.accept?.toLowerCase().includes('text/event-stream') === true
}

function portOf(address: AddressInfo | string | null): number {
  return typeof address === 'object' && address ? address.port : 0
}
