import { AccessError } from '../domain/errors.ts'
import type { ApiContext } from './context.ts'

/** How soon a stream ends after its token was revoked or has expired. */
const RIGHT_CHECKED_EVERY_MS = 30_000

/**
 * Makes a generator into a stream that ends when its reader leaves or loses the right to read.
 * `return` on a parked generator would wait for its next event; here it aborts the wait first.
 */
export function liveStream<T>(
  { parts, session }: Pick<ApiContext, 'parts' | 'session'>,
  start: (signal: AbortSignal) => AsyncGenerator<T>,
): AsyncIterableIterator<T> {
  const left = new AbortController()
  const events = start(left.signal)
  let hasRight = true
  const check = setInterval(async () => {
    hasRight = await parts.services.token.isLive(session.tokenId).catch(() => hasRight)
    if (!hasRight) left.abort()
  }, RIGHT_CHECKED_EVERY_MS)
  check.unref()
  const end = () => {
    clearInterval(check)
    left.abort()
  }
  return {
    async next() {
      try {
        const step = await events.next()
        if (step.done) end()
        if (step.done && !hasRight)
          throw new AccessError('UNAUTHENTICATED', 'The token is not valid any more.')
        return step
      } catch (error) {
        end()
        throw error
      }
    },
    async return() {
      end()
      await events.return(undefined)
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
