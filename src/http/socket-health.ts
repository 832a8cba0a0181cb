import type { ApiParts } from '../graphql/context.ts'
import type { SocketExtra } from './socket-engine.ts'

const PING_MS = 12_000
const WATCH_MS = 1_000
const MAX_BUFFERED = 4 * 1024 * 1024
const MAX_MESSAGES_PER_WATCH = 200
const FORBIDDEN = 4403
const TOO_MANY_REQUESTS = 4429

/**
 * Ends a socket that is dead, floods, does not read what it asked for, or whose token is not good any more.
 * @returns what stops watching
 */
export function keepHealthy({
  extra,
  parts,
}: {
  extra: SocketExtra
  parts: Pick<ApiParts, 'services'>
}): () => void {
  const { socket } = extra
  let isAlive = true
  let messages = 0

  const count = () => {
    messages += 1
    if (messages > MAX_MESSAGES_PER_WATCH) socket.close(TOO_MANY_REQUESTS, 'Too many messages')
  }
  const watch = setInterval(() => {
    messages = 0
    if (socket.bufferedAmount > MAX_BUFFERED) socket.terminate()
  }, WATCH_MS)
  const ping = setInterval(async () => {
    if (!isAlive) return socket.terminate()
    isAlive = false
    socket.ping()
    const session = extra.admission?.session
    // A database that cannot be asked now is asked again at the next ping.
    const isLive = !session || (await parts.services.token.isLive(session).catch(() => true))
    if (!isLive) socket.close(FORBIDDEN, 'Forbidden')
  }, PING_MS)
  socket.on('message', count)
  socket.on('ping', count)
  socket.on('pong', () => {
    isAlive = true
  })

  return () => {
    clearInterval(watch)
    clearInterval(ping)
  }
}
