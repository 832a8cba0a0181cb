// HTTP over checked connections. No proxy of the environment has a say: a proxy would look names up again.
import type http from 'node:http'
import https from 'node:https'
import type { Duplex } from 'node:stream'
import { Agent, buildConnector, Request as UndiciRequest, fetch as undiciFetch } from 'undici'
import { DeliveryError } from './driver.ts'
import type { Connect } from './outbound-connect.ts'
import { networkError, noAnswer, oneLine, refusedAddress } from './outbound-error.ts'
import type { OutboundRules } from './outbound-rules.ts'

/** A connection on which nothing moves for so long is given up. */
const IDLE_TIMEOUT_MS = 60_000
const MAX_SOCKETS = 64

type Created = (error: Error | null, socket?: Duplex) => void

/** An agent whose connections are all checked; `secure` puts TLS over them. */
export function checkedAgent<T extends http.Agent>(agent: T, connect: Connect): T {
  const isPlain = !(agent instanceof https.Agent)
  const secure = agent.createConnection.bind(agent)
  agent.createConnection = (options, callback) => {
    const done = callback as Created
    const { host, port, signal } = options as http.ClientRequestArgs
    connect({ host: host ?? '', port: Number(port), signal: signal ?? undefined }, { isPlain }).then(
      (raw) => {
        const socket = isPlain ? raw : secure({ ...options, socket: raw } as http.ClientRequestArgs)
        socket?.on('timeout', () => socket.destroy(noAnswer(host ?? '', IDLE_TIMEOUT_MS)))
        done(null, socket ?? undefined)
      },
      (error: Error) => done(error),
    )
    return undefined
  }
  return agent
}

export const agentOptions = { keepAlive: true, maxSockets: MAX_SOCKETS, timeout: IDLE_TIMEOUT_MS }

/** As the standard function, over checked connections. */
export function checkedFetch(rules: OutboundRules, connect: Connect): typeof fetch {
  const secure = buildConnector({ timeout: 0 })
  const agent = new Agent({
    connections: MAX_SOCKETS,
    headersTimeout: IDLE_TIMEOUT_MS,
    bodyTimeout: IDLE_TIMEOUT_MS,
    connect(options, callback) {
      const { hostname, protocol, port } = options
      const isPlain = protocol === 'http:'
      connect({ host: hostname, port: Number(port || (isPlain ? 80 : 443)) }, { isPlain }).then(
        (raw) => (isPlain ? callback(null, raw) : secure({ ...options, httpSocket: raw }, callback)),
        (error: Error) => callback(error, null),
      )
    },
  })

  const checked = async (input: string | URL | Request, init?: RequestInit) => {
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
  return checked as unknown as typeof fetch // the same standard, two declarations of it
}

/** What else goes wrong between sending and an answer is told in the cause: no HTTP, too many redirects. */
function failedFetch(error: unknown, host: string): unknown {
  if (!(error instanceof TypeError && error.cause instanceof Error)) return error
  const message = `${host} did not answer as it should: ${oneLine(error.cause.message)}.`
  return new DeliveryError('UNAVAILABLE', message, { retryable: true, cause: error })
}
