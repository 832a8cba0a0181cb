// Live results over text/event-stream (GraphQL over SSE, "distinct connections"): `next` events, then `complete`.
import type { ExecutionResult, GraphQLError } from 'graphql'
import { isAsyncIterable, type Plugin } from 'graphql-yoga'
import { publicJson, publicResult } from './result.ts'

export const EVENT_STREAM = 'text/event-stream'

const KEEP_ALIVE_MS = 12_000
/**
 * A real event, of type `message` and with empty data, so that clients can notice silence: EventSource hands it to
 * `onmessage`, where nothing else arrives. A comment they would not see, and under a name of its own the strict parser
 * of graphql-sse would give up.
 */
const KEEP_ALIVE = 'data:\n\n'
const COMPLETE = 'event: complete\ndata:\n\n'
/** Some browsers hold an answer back until it has a body. */
const OPENING = ':\n\n'
const HEADERS = {
  'content-type': `${EVENT_STREAM}; charset=utf-8`,
  // Proxies that collect answers before they pass them on are asked not to.
  'x-accel-buffering': 'no',
}
/** Keep-alives that a reader may leave unread before it is taken for gone. */
const PATIENCE = 5

type Controller = ReadableStreamDefaultController<Uint8Array>
/** What comes with a request of a real connection. */
interface Connected {
  req?: { socket: { destroy(): void } }
}
type Mask = (error: unknown) => GraphQLError

/** Answers subscriptions over HTTP. What is no stream, an error at the start, is yoga's to answer. */
export function useEventStream(mask: Mask, keepAliveMs = KEEP_ALIVE_MS): Plugin<object, Connected> {
  const pulse = keepAlive(keepAliveMs)
  return {
    onResultProcess({ request, result, serverContext, setResultProcessor }) {
      if (!isAsyncIterable(result)) return
      const results = result as AsyncIterable<ExecutionResult>
      const body = eventStream({
        results,
        mask,
        pulse,
        request,
        cut: () => serverContext.req?.socket.destroy(),
      })
      setResultProcessor((_, { Response }) => new Response(body, { headers: HEADERS }), EVENT_STREAM)
    },
  }
}

/** Pulls a result when the last one was taken: nothing is kept for a slow reader. */
function eventStream(options: {
  results: AsyncIterable<ExecutionResult>
  mask: Mask
  pulse: ReturnType<typeof keepAlive>
  request: Request
  /** Ends the connection. */
  cut: () => void
}): ReadableStream<Uint8Array> {
  const { results, mask, pulse, request, cut } = options
  const iterator = results[Symbol.asyncIterator]()
  let isOver = false
  let stopPulse = () => {}

  const leave = async () => {
    if (isOver) return
    isOver = true
    stopPulse()
    request.signal.removeEventListener('abort', leave)
    // Whatever fails from here on, nobody is left to be told.
    await iterator.return?.().catch(() => {})
  }
  const nextEvent = async (): Promise<{ text: string; isLast: boolean }> => {
    try {
      const { done, value } = await iterator.next()
      return done
        ? { text: COMPLETE, isLast: true }
        : { text: resultEvent(publicResult(value)), isLast: false }
    } catch (error) {
      return { text: resultEvent({ errors: [publicJson(mask(error))] }) + COMPLETE, isLast: true }
    }
  }
  // A reader that is gone before the first byte is told by the signal alone.
  if (request.signal.aborted) void leave()
  else request.signal.addEventListener('abort', leave, { once: true })

  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(bytes(OPENING))
      // Not by an error of the stream, which nobody behind it would catch.
      if (!isOver) stopPulse = pulse(controller, cut)
    },
    async pull(controller) {
      const { text, isLast } = await nextEvent()
      if (isOver) return
      controller.enqueue(bytes(text))
      if (!isLast) return
      controller.close()
      await leave()
    },
    cancel: leave,
  })
}

/** Sends keep-alives on all streams by one timer. The function joins a stream, and gives what leaves again. */
function keepAlive(ms: number) {
  const streams = new Map<Controller, { onStuck: () => void; unread: number }>()
  let timer: NodeJS.Timeout | null = null

  const beat = () => {
    for (const [controller, stream] of streams) {
      const isRead = (controller.desiredSize ?? 0) > 0
      stream.unread = isRead ? 0 : stream.unread + 1
      if (isRead) controller.enqueue(bytes(KEEP_ALIVE))
      else if (stream.unread > PATIENCE) stream.onStuck()
    }
  }
  return (controller: Controller, onStuck: () => void): (() => void) => {
    streams.set(controller, { onStuck, unread: 0 })
    timer ??= setInterval(beat, ms).unref()
    return () => {
      streams.delete(controller)
      if (streams.size > 0 || !timer) return
      clearInterval(timer)
      timer = null
    }
  }
}

const resultEvent = (result: object): string => `event: next\ndata: ${JSON.stringify(result)}\n\n`

const encoder = new TextEncoder()
const bytes = (text: string): Uint8Array => encoder.encode(text)
