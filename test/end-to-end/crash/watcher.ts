import { createClient } from 'graphql-ws'
import WebSocket from 'ws'

export interface SeenEvent {
  seq: number
  type: string
  received: number
  at: string
  message: string | null
}
interface Answer {
  data?: {
    runEvents: {
      cursor: string
      type: string
      at: string
      message: string | null
      progress: { received: number }
    }
  } | null
  errors?: readonly unknown[]
}

/** Watches a run to its end as a client does: over WebSocket, and after a lost connection again from the last cursor. */
export async function watchRun(options: {
  url: () => string
  token: string
  runId: string
  /** How long it may be without a connection, or without an end of the run. */
  patienceMs?: number
}): Promise<SeenEvent[]> {
  const seen: SeenEvent[] = []
  let cursor: string | null = null
  const deadline = Date.now() + (options.patienceMs ?? 45_000)
  for (;;) {
    try {
      for await (const event of events(options, cursor)) {
        cursor = event.cursor
        const [, seq] = Buffer.from(cursor, 'base64url').toString('utf8').split(':')
        seen.push({
          seq: Number(seq),
          type: event.type,
          received: Number(event.progress.received),
          at: event.at,
          message: event.message,
        })
      }
      const last = seen.at(-1)?.type ?? ''
      if (['SUCCEEDED', 'FAILED', 'CANCELLED'].includes(last)) return seen
    } catch (error) {
      if (Date.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

async function* events(
  { url, token, runId }: { url: () => string; token: string; runId: string },
  after: string | null,
) {
  const client = createClient({
    url: `${url().replace(/^http/, 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    connectionParams: { authorization: `Bearer ${token}` },
  })
  try {
    const query = `subscription ($runId: ID!, $after: String) {
      runEvents(runId: $runId, after: $after) { cursor type at message progress { received } } }`
    for await (const answer of client.iterate({
      query,
      variables: { runId, after },
    }) as AsyncIterable<Answer>) {
      if (!answer.data) throw new Error(JSON.stringify(answer.errors))
      yield answer.data.runEvents
    }
  } finally {
    await client.dispose()
  }
}
