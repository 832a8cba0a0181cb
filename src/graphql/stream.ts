// Subscriptions as streams: each counts against its token, and ends when its reader leaves or loses the right to read.
import { AccessError } from '../domain/errors.ts'
import type { Feed } from '../engine/feed.ts'
import type { ApiContext } from './context.ts'

type Caller = Pick<ApiContext, 'parts' | 'session'>

/** Where a log is read, and from which place on. */
export interface LogPosition<T> {
  feed: Feed<T>
  key: string
  after: number
}
/**
 * A stream that says which log it is: where many ask for the same, it can be read once for all of them. Whoever does
 * that instead of iterating calls `release` in the end.
 */
export interface LogStream<T> extends AsyncIterable<T> {
  readonly log: LogPosition<T>
  release(): void
}

/**
 * The rows of a log after a place, as a subscription; nothing runs before it is iterated.
 * @throws GraphQLError SUBSCRIPTION_LIMIT
 */
export function logStream<T>(ctx: Caller, log: LogPosition<T>): LogStream<T> {
  const { feed, key, after } = log
  const release = ctx.parts.slots.take(ctx.session.tokenId)
  return {
    log,
    release,
    [Symbol.asyncIterator]: () =>
      endingStream(ctx, { start: (signal) => feed.events(key, after, signal), release }),
  }
}

/**
 * A generator as a subscription; it runs until its signal aborts.
 * @throws GraphQLError SUBSCRIPTION_LIMIT
 */
export function liveStream<T>(
  ctx: Caller,
  start: (signal: AbortSignal) => AsyncGenerator<T>,
): AsyncIterableIterator<T> {
  return endingStream(ctx, { start, release: ctx.parts.slots.take(ctx.session.tokenId) })
}

/** `return` on a parked generator would wait for its next event; here it aborts the wait first. */
function endingStream<T>(
  { parts, session }: Caller,
  { start, release }: { start: (signal: AbortSignal) => AsyncGenerator<T>; release: () => void },
): AsyncIterableIterator<T> {
  const left = new AbortController()
  const events = start(left.signal)
  let hasRight = true
  const unwatch = parts.sessions.watch(session, () => {
    hasRight = false
    left.abort()
  })
  const end = () => {
    unwatch()
    release()
    left.abort()
  }
  return {
    async next() {
      try {
        const step = await events.next()
        // What was read before the end is not for whoever has lost the right since.
        if (!hasRight) throw new AccessError('UNAUTHENTICATED', 'The token is not valid any more.')
        if (step.done) end()
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
