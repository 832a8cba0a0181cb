// HTTP over checked connections. No proxy of the environment has a say: a proxy would look names up again.
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import type { Duplex } from 'node:stream'
import { Agent, buildConnector, Request as UndiciRequest, fetch as undiciFetch } from 'undici'
import { oneLine } from '../domain/text.ts'
import { DeliveryError } from './driver.ts'
import type { Connect } from './outbound-connect.ts'
import { networkError, noAnswer, refusedAddress } from './outbound-error.ts'
import type { OutboundRules } from './outbound-rules.ts'

export interface HttpTimeouts {
  /** For the name, the connection, and TLS over it, each. */
  connectMs: number
  /** A connection on which nothing moves for so long is given up. */
  idleMs: number
}

const MAX_SOCKETS = 64

type Created = (error: Error | null, socket?: Duplex) => void

export const checkedHttpAgent = (connect: Connect, timeouts: HttpTimeouts) =>
  checked(new http.Agent(agentOptions(timeouts)), connect, timeouts)
export const checkedHttpsAgent = (connect: Connect, timeouts: HttpTimeouts) =>
  checked(new https.Agent(agentOptions(timeouts)), connect, timeouts)

const agentOptions = ({ idleMs }: HttpTimeouts) => ({
  keepAlive: true,
  maxSockets: MAX_SOCKETS,
  timeout: idleMs,
})

/** The agent, but that its connections are made and checked elsewhere; what is its own is TLS. */
function checked<T extends http.Agent>(agent: T, connect: Connect, { idleMs }: HttpTimeouts): T {
  const isPlain = !(agent instanceof https.Agent)
  const secure = agent.createConnection.bind(agent)
  agent.createConnection = (options, callback) => {
    const done = callback as Created
    const { host, port, signal } = options as http.ClientRequestArgs
    connect({ host: host ?? '', port: Number(port), signal: signal ?? undefined }, { isPlain }).then(
      (raw) => {
        const socket = isPlain ? raw : secure({ ...options, socket: raw } as http.ClientRequestArgs)
        if (socket instanceof net.Socket) {
          socket.setTimeout(idleMs).on('timeout', () => socket.destroy(noAnswer(host ?? '', idleMs)))
        }
        done(null, socket ?? undefined)
      },
      (error: Error) => done(error),
    )
    return undefined
  }
  return agent
}

/** As the standard function, over checked connections. */
export function checkedFetch(
  rules: OutboundRules,
  connect: Connect,
  { connectMs, idleMs }: HttpTimeouts,
): typeof fetch {
  const secure = buildConnector({ timeout: connectMs })
  const agent = new Agent({
    connections: MAX_SOCKETS,
    headersTimeout: idleMs,
    bodyTimeout: idleMs,
    connect(options, callback) {
      const { hostname, protocol, port } = options
      const isPlain = protocol === 'http:'
      connect({ host: hostname, port: Number(port || (isPlain ? 80 : 443)) }, { isPlain }).then(
        (raw) => (isPlain ? callback(null, raw) : secure({ ...options, httpSocket: raw }, callback)),
        (error: Error) => callback(error, null),
      )
    },
  })

  const checkedOne = async (input: string | URL | Request, init?: RequestInit) => {
    const url = new URL(input instanceof Request ? input.url : input)
    const refusal = rules.refusalOf(url.href)
    if (refusal) throw refusedAddress(refusal)
    const pinned = agent.compose((dispatch) => (options, handler) => {
      if (new URL(`${options.origin}`).origin === url.origin) return dispatch(options, handler)
      throw refusedAddress(`${url.host} sends to another address, ${options.origin}, which is not followed.`)
    })
    // The one of the platform is not the one of the package.
    const request = input instanceof Request ? new UndiciRequest(input.url, input as never) : input
    try {
      return await undiciFetch(request, { ...(init as object), dispatcher: pinned })
    } catch (error) {
      throw networkError(error, url.host) ?? (init?.signal?.aborted ? error : failedFetch(error, url.host))
    }
  }
  return checkedOne as unknown as typeof fetch // the same standard, two declarations of it
}

/** What else goes wrong between sending and an answer is told in the cause: no HTTP, too many redirects. */
function failedFetch(error: unknown, host: string): unknown {
  if (!(error instanceof TypeError && error.cause instanceof Error)) return error
  const message = `${host} did not answer as it should: ${oneLine(error.cause.message, 200)}.`
  return new DeliveryError('UNAVAILABLE', message, { retryable: true, cause: error })
}
