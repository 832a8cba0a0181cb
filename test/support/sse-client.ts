import type { Answer, TestGateway, Tree } from './api.ts'

export interface EventStream {
  status: number
  headers: Headers
  /** As it comes. */
  chunks: AsyncIterable<string>
}

/** A subscription over text/event-stream. */
export async function openStream(
  url: string,
  options: { token: string; query: string; variables?: object; signal?: AbortSignal },
): Promise<EventStream> {
  const { token, query, variables, signal } = options
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    ...(signal && { signal }),
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      authorization: `Bearer ${token}`,
    },
    body: JSON.stringify({ query, variables }),
  })
  if (!response.body) throw new Error('the answer has no body')
  const { status, headers } = response
  return { status, headers, chunks: response.body.pipeThrough(new TextDecoderStream()) }
}

/** The events of a stream by the rules of EventSource: each with its type and data, in order. */
export async function* eventsIn(
  chunks: AsyncIterable<string>,
): AsyncGenerator<{ type: string; data: string }> {
  let text = ''
  for await (const chunk of chunks) {
    text += chunk
    const blocks = text.split('\n\n')
    text = blocks.pop() ?? ''
    for (const block of blocks) {
      const fields = block.split('\n').map((line) => {
        const [, name = line, value = ''] = /^([^:]*):? ?(.*)$/.exec(line) ?? []
        return { name, value }
      })
      const data = fields.filter(({ name }) => name === 'data').map(({ value }) => value)
      const type = fields.findLast(({ name }) => name === 'event')?.value ?? 'message'
      if (data.length > 0) yield { type, data: data.join('\n') }
    }
  }
}

/** The results that a stream sends, until it is complete. */
export async function* resultsIn(chunks: AsyncIterable<string>): AsyncGenerator<Tree> {
  for await (const { type, data } of eventsIn(chunks)) {
    if (type === 'complete') return
    if (type === 'next') yield JSON.parse(data)
  }
}

/** The first thing that a subscription says, without a server. */
export async function firstResult(
  gateway: TestGateway,
  options: { token: string; query: string; sandbox?: string },
): Promise<Answer> {
  const { token, query, sandbox = 'prod' } = options
  const accept = 'text/event-stream'
  const headers = { authorization: `Bearer ${token}`, accept, 'x-sandbox-name': sandbox }
  const { body } = await gateway.fetch({ headers, body: JSON.stringify({ query }) })
  if (!body) throw new Error('the answer has no body')
  for await (const result of resultsIn(body.pipeThrough(new TextDecoderStream()))) return result
  throw new Error(`${query} said nothing`)
}
