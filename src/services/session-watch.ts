// Sessions that something long stands on: a stream, a socket. One timer looks after all of them, and a token is asked
// about once however many sessions it has.
import type { Session } from '../domain/access.ts'
import type { Clock, Logger } from '../domain/ports.ts'
import type { TokenService } from './token.ts'

/** How soon a session ends after it has expired, or after its token was revoked, by another process even. */
const CHECK_MS = 1_000

export type SessionWatch = ReturnType<typeof sessionWatch>

interface Watched {
  session: Session
  onEnd: () => void
}

export function sessionWatch(parts: { token: Pick<TokenService, 'endedAmong'>; clock: Clock; log: Logger }) {
  const { token, clock, log } = parts
  // In the order of coming: a socket ends before the streams on it.
  const watched = new Set<Watched>()
  let timer: NodeJS.Timeout | null = null
  let isAsking = false

  const forget = (one: Watched): boolean => {
    const wasWatched = watched.delete(one)
    if (watched.size === 0 && timer) {
      clearInterval(timer)
      timer = null
    }
    return wasWatched
  }
  const end = (isOver: (session: Session) => boolean) => {
    for (const one of watched) if (isOver(one.session) && forget(one)) one.onEnd()
  }
  const check = async () => {
    const now = clock()
    end(({ expiresAt }) => expiresAt !== null && expiresAt <= now)
    if (isAsking || watched.size === 0) return
    isAsking = true
    try {
      const ended = await token.endedAmong([...new Set([...watched].map(({ session }) => session.tokenId))])
      if (ended.size > 0) end(({ tokenId }) => ended.has(tokenId))
    } catch (error) {
      log.warn({ error }, 'open streams could not be checked for revoked tokens; trying again')
    } finally {
      isAsking = false
    }
  }

  return {
    /**
     * Calls `onEnd` once when the session is not good any more, a second late at most.
     * @returns what stops watching
     */
    watch(session: Session, onEnd: () => void): () => void {
      const one = { session, onEnd }
      watched.add(one)
      timer ??= setInterval(check, CHECK_MS).unref()
      return () => void forget(one)
    },
    /** How many are watched. */
    count: (): number => watched.size,
  }
}
