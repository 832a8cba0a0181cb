// The other end of a webhook: an HTTP server that checks every signature with the scheme's own library, and takes each
// message once, however often it comes.
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Webhook } from 'standardwebhooks'
import { httpUrl } from '../../src/config.ts'

export interface ReceivedMessage {
  type: string
  timestamp: string
  data: {
    run: { id: string }
    segment: { id: string; name: string }
    profiles: Record<string, unknown>[]
  }
}
export interface WebhookAnswer {
  status: number
  headers?: Record<string, string>
  body?: string
}
export interface WebhookReceiver {
  url: string
  port: number
  /** The body of each message that was taken, by its id. */
  messages: Map<string, ReceivedMessage>
  /** The same of every kind, tests and notifications included. */
  taken: Map<string, { type: string; timestamp: string; data: unknown }>
  /** `id body` of every request that came, in turn, with a right signature or not. */
  requests: string[]
  headers: http.IncomingHttpHeaders[]
  /** How the next requests are answered, in place of being taken. */
  answers: WebhookAnswer[]
  /** Reads requests, and never answers them. */
  isSilent: boolean
  /** What is asked for besides the signature. */
  bearerToken: string | null
  /** Called when a message is taken, before it is answered. */
  onTaken: () => void
  /** The profiles of all messages that were taken. */
  profiles(): Record<string, unknown>[]
  closeConnections(): void
  close(): Promise<void>
}

export const SECRET = `whsec_${Buffer.from('a secret of thirty-two bytes ...').toString('base64')}`

export async function webhookReceiver(secret = SECRET): Promise<WebhookReceiver> {
  const verifier = new Webhook(secret)
  const server = http.createServer(async (request, response) => {
    const answer = await take(request).catch(() => null)
    if (answer) response.writeHead(answer.status, answer.headers).end(answer.body)
  })
  const take = async (request: http.IncomingMessage): Promise<WebhookAnswer | null> => {
    const body = await text(request)
    const headers = request.headers as Record<string, string>
    const id = String(headers['webhook-id'])
    receiver.requests.push(`${id} ${body}`)
    receiver.headers.push(request.headers)
    if (receiver.isSilent) return null
    const answer = receiver.answers.shift()
    if (answer) return answer
    const { bearerToken } = receiver
    if (bearerToken && headers.authorization !== `Bearer ${bearerToken}`)
      return { status: 401, body: 'no token' }
    try {
      verifier.verify(body, headers)
    } catch {
      return { status: 401, body: `a wrong signature: ${headers['webhook-signature']}` }
    }
    const message = JSON.parse(body) as ReceivedMessage
    receiver.taken.set(id, message)
    if (message.type === 'profiles.activated') receiver.messages.set(id, message)
    receiver.onTaken()
    return { status: 204 }
  }
  const receiver: WebhookReceiver = {
    url: '',
    port: 0,
    messages: new Map(),
    taken: new Map(),
    requests: [],
    headers: [],
    answers: [],
    isSilent: false,
    bearerToken: null,
    onTaken: () => {},
    profiles: () => [...receiver.messages.values()].flatMap(({ data }) => data.profiles),
    closeConnections: () => server.closeAllConnections(),
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  server.keepAliveTimeout = 0
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  receiver.port = (server.address() as AddressInfo).port
  receiver.url = `${httpUrl('127.0.0.1', receiver.port)}/hook`
  return receiver
}
