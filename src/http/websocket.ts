// GraphQL over WebSocket (graphql-transport-ws), on the same engine as HTTP: guard, masking and context are its own.
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { handleProtocols } from 'graphql-ws'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Logger } from '../domain/ports.ts'
import type { ApiParts } from '../graphql/context.ts'
import { withRequestId } from '../graphql/request-id.ts'
import type { TrustedDocuments } from '../graphql/trusted-documents.ts'
import type { Authenticate, Credentials } from './auth.ts'
import { credentialsOf, pathOf } from './request.ts'
import { socketEngine } from './socket-engine.ts'
import { socketHealth } from './socket-health.ts'
import type { GatewayYoga } from './yoga.ts'

const MAX_FRAME = 128 * 1024
const MAX_FRAGMENTS = 64
/** In how many pieces a frame may trickle in: a frame of that size byte by byte would be held a hundred times over. */
const MAX_CHUNKS = 1024
const GOING_AWAY = 1001
const INTERNAL_ERROR = 4500
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

export interface SocketEdge {
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void
  /** How many are open. */
  count(): number
  /** Asks every client to come back later, to another gateway or to the next start. */
  close(): void
  /** Ends the connections of those that did not go. */
  terminate(): void
}

export function socketEdge(options: {
  parts: ApiParts
  yoga: GatewayYoga
  authenticate: Authenticate
  documents: TrustedDocuments
  log: Logger
}): SocketEdge {
  const { log } = options
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_FRAME,
    maxFragments: MAX_FRAGMENTS,
    maxBufferedChunks: MAX_CHUNKS,
    perMessageDeflate: false,
    handleProtocols,
  })
  const engine = socketEngine(options)
  const watch = socketHealth()
  let isClosed = false

  const connected = (socket: WebSocket, credentials: Credentials) => {
    const extra = { socket, credentials }
    const closed = engine.opened(
      {
        protocol: socket.protocol,
        send: (data) =>
          new Promise((resolve, reject) => {
            if (socket.readyState !== socket.OPEN) return resolve()
            socket.send(data, (error) => (error ? reject(error) : resolve()))
          }),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (handle) =>
          socket.on('message', async (data) => {
            // Whoever is being closed may go on talking for a while.
            if (socket.readyState !== socket.OPEN) return
            try {
              await withRequestId(() => handle(String(data)))
            } catch (error) {
              // A socket that went away in the middle of an answer is nothing to report.
              if (socket.readyState !== socket.OPEN) return
              log.error({ error }, 'a WebSocket message failed')
              socket.close(INTERNAL_ERROR, 'Internal server error')
            }
          }),
      },
      extra,
    )
    watch(socket)
    // ws closes the socket itself after an error, with the right code for a frame that breaks the protocol.
    socket.on('error', (error) => log.debug({ error }, 'a WebSocket failed'))
    socket.once('close', (code, reason) => {
      closed(code, String(reason)).catch((error: unknown) => {
        log.error({ error }, 'the streams of a WebSocket could not be closed')
      })
    })
  }

  return {
    upgrade(req, socket, head) {
      socket.on('error', destroy)
      const status = isClosed ? '503 Service Unavailable' : refuseUpgrade(req)
      if (status) {
        socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
        return
      }
      const credentials = credentialsOf(req)
      server.handleUpgrade(req, socket, head, (open) => connected(open, credentials))
    },
    count: () => server.clients.size,
    close() {
      isClosed = true
      for (const socket of server.clients) socket.close(GOING_AWAY, 'Going away')
    },
    terminate() {
      for (const socket of server.clients) socket.terminate()
    },
  }
}

/** Not a closure: that would keep the request for as long as the socket lives. */
function destroy(this: Duplex): void {
  this.destroy()
}

/** The status line of a refusal, or null when the handshake may go on. */
function refuseUpgrade(req: IncomingMessage): string | null {
  if (pathOf(req) !== '/graphql') return '404 Not Found'
  if (!isKnownOrigin(req)) return '403 Forbidden'
  if (!handleProtocols(req.headers['sec-websocket-protocol'] ?? '')) return '400 Bad Request'
  return null
}

/** Programs send no Origin; pages must be of this host, or of somebody at this machine. */
function isKnownOrigin({ headers }: IncomingMessage): boolean {
  if (headers.origin === undefined) return true
  const origin = URL.parse(headers.origin)
  return origin !== null && (origin.host === headers.host || LOOPBACK.test(origin.hostname))
}
