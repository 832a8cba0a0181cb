import { once } from 'node:events'
import { WebSocket } from 'ws'
import type { Tree } from './api.ts'

export type WsClient = ReturnType<typeof dial>

/** A WebSocket client that keeps what it was told. `url` is the server's http address. */
export function dial(
  url: string,
  options: { protocol?: string; headers?: Record<string, string>; path?: string } = {},
) {
  const { protocol = 'graphql-transport-ws', headers = {}, path = '/graphql' } = options
  const socket = new WebSocket(`${url.replace('http', 'ws')}${path}`, protocol, { headers })
  const told: Tree[] = []
  const waiting = new Set<() => void>()
  socket.on('error', () => {})
  socket.on('message', (data) => {
    told.push(JSON.parse(String(data)))
    for (const wake of waiting) wake()
  })
  const closed = new Promise<number>((resolve) => socket.on('close', resolve))
  const refused = new Promise<number>((resolve) =>
    socket.on('unexpected-response', (_, res) => {
      socket.terminate()
      resolve(res.statusCode ?? 0)
    }),
  )
  const say = (message: object) => socket.send(JSON.stringify(message))
  const opened = once(socket, 'open')
  opened.catch(() => {})
  return {
    socket,
    told,
    closed,
    refused,
    say,
    opened: () => opened,
    /** Waits until a message passes the test. */
    async hear(test: (message: Tree) => boolean): Promise<Tree> {
      for (;;) {
        const found = told.find(test)
        if (found) return found
        await new Promise<void>((resolve) => waiting.add(resolve))
      }
    },
    subscribe: (id: string, query: string, variables?: object) =>
      say({ type: 'subscribe', id, payload: { query, variables } }),
    /** The data that an operation has been sent so far. */
    dataOf: (id: string): Tree[] =>
      told
        .filter((message) => message.id === id && message.type === 'next')
        .map(({ payload }) => payload.data),
  }
}

/** A client that has been let in. */
export async function admitted(url: string, token: string, extra: object = {}): Promise<WsClient> {
  const client = dial(url)
  await client.opened()
  client.say({ type: 'connection_init', payload: { authorization: `Bearer ${token}`, ...extra } })
  await client.hear(({ type }) => type === 'connection_ack')
  return client
}
