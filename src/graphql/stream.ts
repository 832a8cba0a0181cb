import { AccessError } from '../domain/errors.ts'
import type { Feed } from '../engine/feed.ts'
import type { ApiContext } from './context.ts'

/** How soon a stream ends after its token was revoked or has expired. */
const RIGHT_CHECKED_EVERY_MS = 30_000

/** Where a log is read, and from which place on. */
export interface LogPosition<T> {
  feed: Feed<T>
  key: string
  after: number
}
/** A stream that says which log it is: where many ask for the same, it can be read once for all of them. */
export interface LogStream<T> extends AsyncIterable<T> {
  readonly log: LogPosition<T>
}

/** The rows of a log after a place, as a subscription; nothing runs before it is iterated. */
export function logStream<T>(ctx: Pick<ApiContext, 'parts' | 'session'>, log: LogPosition<T>): LogStream<T> {
  const { feed, key, after } = log
  return {
    log,
    [Symbol.asyncIterator]: () => liveStream(ctx, (signal) => feed.events(key, after, signal)),
  }
}

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
    hasRight = await parts.services.token.isLive(session).catch(() => hasRight)
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
