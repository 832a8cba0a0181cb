// Ends sockets that are dead, flood, do not read what they asked for, or whose token is not good any more.
// One timer looks after all of them: two of its own would cost a quiet socket more than its stream.
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { WebSocket } from 'ws'
import type { Session } from '../domain/access.ts'
import type { ApiParts } from '../graphql/context.ts'
import type { SocketExtra } from './socket-engine.ts'

const TICK_MS = 1_000
const PING_TICKS = 12
const MAX_BUFFERED = 4 * 1024 * 1024
const MAX_MESSAGES_PER_TICK = 200
/** How many tokens are asked about before others get a turn of the event loop. */
const SLICE = 50
const FORBIDDEN = 4403
const TOO_MANY_REQUESTS = 4429

interface Watched {
  socket: WebSocket
  extra: SocketExtra
  isAlive: boolean
  messages: number
  /** At which tick of twelve it is pinged: not all at once. */
  phase: number
}

/** @returns what watches a socket from its opening to its end */
export function socketHealth({ services, clock }: Pick<ApiParts, 'services' | 'clock'>) {
  const sockets = new Set<Watched>()
  let timer: NodeJS.Timeout | null = null
  let ticks = 0
  let isAsking = false

  const sessionsByToken = () => {
    const now = clock()
    const sessions = new Map<string, Session>()
    for (const { socket, extra } of sockets) {
      const session = extra.admission?.session
      if (!session || socket.readyState !== socket.OPEN) continue
      if (session.expiresAt && session.expiresAt <= now) socket.close(FORBIDDEN, 'Forbidden')
      else sessions.set(session.tokenId, session)
    }
    return sessions
  }
  const endRevoked = async () => {
    const revoked = new Set<string>()
    let asked = 0
    for (const [tokenId, session] of sessionsByToken()) {
      // A database that cannot be asked now is asked again at the next tick.
      if (!(await services.token.isLive(session).catch(() => true))) revoked.add(tokenId)
      asked += 1
      if (asked % SLICE === 0) await nextTurn()
    }
    if (revoked.size === 0) return
    for (const { socket, extra } of sockets) {
      if (revoked.has(extra.admission?.session.tokenId ?? '')) socket.close(FORBIDDEN, 'Forbidden')
    }
  }
  const tick = async () => {
    ticks += 1
    for (const watched of sockets) check(watched, ticks)
    if (isAsking) return
    isAsking = true
    await endRevoked()
    isAsking = false
  }

  return (extra: SocketExtra): void => {
    const { socket } = extra
    const watched = { socket, extra, isAlive: true, messages: 0, phase: ticks % PING_TICKS }
    const count = () => {
      watched.messages += 1
      if (watched.messages > MAX_MESSAGES_PER_TICK) socket.close(TOO_MANY_REQUESTS, 'Too many messages')
    }
    socket.on('message', count)
    socket.on('ping', count)
    socket.on('pong', () => {
      watched.isAlive = true
      count()
    })
    socket.once('close', () => {
      sockets.delete(watched)
      if (sockets.size > 0 || !timer) return
      clearInterval(timer)
      timer = null
    })
    sockets.add(watched)
    timer ??= setInterval(tick, TICK_MS)
  }
}

function check(watched: Watched, ticks: number): void {
  const { socket } = watched
  watched.messages = 0
  const isPingDue = ticks % PING_TICKS === watched.phase
  if (socket.bufferedAmount > MAX_BUFFERED || (isPingDue && !watched.isAlive)) socket.terminate()
  else if (isPingDue) {
    watched.isAlive = false
    socket.ping()
  }
}
