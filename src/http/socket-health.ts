// Ends sockets that are dead, flood, or do not read what they asked for.
// One timer looks after all of them: two of its own would cost a quiet socket more than its stream.
import type { WebSocket } from 'ws'

const TICK_MS = 1_000
const PING_TICKS = 12
const MAX_BUFFERED = 4 * 1024 * 1024
const MAX_MESSAGES_PER_TICK = 200
const TOO_MANY_REQUESTS = 4429

interface Watched {
  socket: WebSocket
  isAlive: boolean
  messages: number
  /** At which tick of twelve it is pinged: not all at once. */
  phase: number
}

/** @returns what watches a socket from its opening to its end */
export function socketHealth() {
  const sockets = new Set<Watched>()
  let timer: NodeJS.Timeout | null = null
  let ticks = 0

  const tick = () => {
    ticks += 1
    for (const watched of sockets) check(watched, ticks)
  }

  return (socket: WebSocket): void => {
    const watched = { socket, isAlive: true, messages: 0, phase: ticks % PING_TICKS }
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
