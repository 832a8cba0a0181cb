// The gateway's API as the commands call it: POST for one answer, a WebSocket for a run's events.
import { type Client, createClient } from 'graphql-ws'
import { z } from 'zod'
import type { Config } from '../config.ts'
import { Failure } from './failure.ts'

export interface ApiOptions {
  url?: string
  token?: string
  sandbox: string
}
export interface ApiCall<T> {
  query: string
  variables: Record<string, unknown>
  /** What `data` looks like. */
  answer: z.ZodType<T>
}
export interface ApiClient {
  /** @throws Failure with every error of the answer */
  request<T>(call: ApiCall<T>): Promise<T>
  /**
   * What a subscription yields, over a connection that lasts as long as it does.
   * @throws Failure when the gateway refuses; ConnectionLost when only the connection ended
   */
  subscribe<T>(call: ApiCall<T>, signal: AbortSignal): AsyncGenerator<T>
}

/** The connection ended before the subscription did: connect again. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost'
}

/** Nothing answers at the address. */
export class Unreachable extends Failure {}

/** @throws Failure when there is no token or the address is none */
export function apiClient(config: Config, options: ApiOptions): ApiClient {
  const endpoint = graphqlEndpoint(options.url ?? config.client.url)
  const token = options.token ?? config.client.token
  if (!token) {
    throw new Failure('A token is needed: give --token, or set GATEWAY_TOKEN. «token create» makes one.', {
      exitCode: 2,
    })
  }
  const headers = { authorization: `Bearer ${token}`, 'x-sandbox-name': options.sandbox }
  return {
    request: async (call) => readAnswer(call, await post(endpoint, headers, call)),
    subscribe: (call, signal) => subscription({ endpoint, headers, call, signal }),
  }
}

function graphqlEndpoint(url: string): URL {
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new Failure(`${url} is no address of a gateway. Give one such as http://127.0.0.1:4000.`, {
      exitCode: 2,
    })
  }
  return new URL('graphql', url.endsWith('/') ? url : `${url}/`)
}

async function post<T>(endpoint: URL, headers: Record<string, string>, call: ApiCall<T>): Promise<unknown> {
  let response: Response
  try {
    response = await fetch(endpoint, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({ query: call.query, variables: call.variables }),
      signal: AbortSignal.timeout(30_000),
    })
  } catch (cause) {
    throw new Unreachable(
      `No gateway answers at ${endpoint.origin}. Start one with «serve», or give --url.`,
      {
        cause,
      },
    )
  }
  try {
    return await response.json()
  } catch (cause) {
    throw new Failure(`${endpoint.href} answered HTTP ${response.status}. Is that a gateway?`, { cause })
  }
}

const graphqlAnswer = z.object({
  data: z.unknown().optional(),
  errors: z
    .array(
      z.object({ message: z.string(), extensions: z.object({ code: z.string().optional() }).optional() }),
    )
    .optional(),
})

function readAnswer<T>({ answer }: ApiCall<T>, body: unknown): T {
  const { data, errors } = graphqlAnswer
    .catch({ errors: [{ message: 'The answer is not GraphQL.' }] })
    .parse(body)
  if (errors?.length) {
    throw new Failure(
      errors.map(({ message, extensions }) => `${extensions?.code ?? 'ERROR'}: ${message}`).join('\n'),
    )
  }
  return answer.parse(data)
}

async function* subscription<T>({
  endpoint,
  headers,
  call,
  signal,
}: {
  endpoint: URL
  headers: Record<string, string>
  call: ApiCall<T>
  signal: AbortSignal
}): AsyncGenerator<T> {
  const client: Client = createClient({
    url: endpoint.href.replace(/^http/, 'ws'),
    connectionParams: () => headers,
    retryAttempts: 0, // the caller connects again, from the last cursor
    onNonLazyError: () => {},
  })
  const results = client.iterate({ query: call.query, variables: call.variables })
  const stop = () => void client.dispose()
  signal.addEventListener('abort', stop, { once: true })
  try {
    for await (const result of results) yield readAnswer(call, result)
  } catch (error) {
    if (!signal.aborted) throw connectionError(error)
  } finally {
    signal.removeEventListener('abort', stop)
    await client.dispose()
  }
}

const CLOSED = z.object({ code: z.number(), reason: z.string() })

function connectionError(error: unknown): Error {
  if (error instanceof Failure) return error
  const refused = z.array(z.object({ message: z.string() })).safeParse(error)
  if (refused.success) return new Failure(refused.data.map(({ message }) => message).join('\n'))
  const closed = CLOSED.safeParse(error)
  // 44xx are refusals of the protocol: another try would be refused too.
  if (closed.success && closed.data.code >= 4400 && closed.data.code < 4500) {
    return new Failure(`The gateway closed the connection: ${closed.data.reason || closed.data.code}.`)
  }
  return new ConnectionLost('The connection was lost.', { cause: error })
}
