// Reading requests and writing answers with node:http.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { requestId } from '../graphql/request-id.ts'
import { type Answer, SECURITY_HEADERS } from './answer.ts'
import type { Credentials } from './auth.ts'

const BODY_TIMEOUT_MS = 10_000
const COMMON_HEADERS = { ...SECURITY_HEADERS, 'content-type': 'application/json; charset=utf-8' }

/** The path without the query string. */
export function pathOf(req: IncomingMessage): string {
  return (req.url ?? '/').split('?', 1)[0] ?? '/'
}

export function credentialsOf(req: IncomingMessage): Credentials {
  const { authorization, 'x-sandbox-name': sandboxName } = req.headers
  return {
    authorization,
    sandboxName: Array.isArray(sandboxName) ? sandboxName[0] : sandboxName,
    address: req.socket.remoteAddress ?? 'unknown',
  }
}

export function send(req: IncomingMessage, res: ServerResponse, answer: Answer): void {
  const { status, headers, body, text = JSON.stringify(body) } = answer
  if (!req.complete) {
    // What is left of a body that nobody reads would be taken for the next request.
    res.setHeader('connection', 'close')
    res.once('finish', () => req.socket.destroySoon())
  }
  // With its length known, an answer leaves in one piece; otherwise Node writes it in chunks, and twice.
  const length = Buffer.byteLength(text)
  res.writeHead(status, {
    ...COMMON_HEADERS,
    'content-length': String(length),
    'x-request-id': requestId(),
    ...headers,
  })
  // What is all ASCII needs no encoding.
  res.end(text, length === text.length ? 'latin1' : 'utf8')
}

/**
 * The whole body; null as soon as it is longer than `max` bytes.
 * @throws when the client goes away, or is sent away because the body does not arrive in time
 */
export function readBody(req: IncomingMessage, max: number): Promise<Uint8Array | null> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    const timer = setTimeout(() => req.destroy(), BODY_TIMEOUT_MS)
    req.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > max) resolve(null)
      else chunks.push(chunk)
    })
    req.once('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)))
    req.once('error', reject)
    // Comes right after the end, too.
    req.once('close', () => {
      clearTimeout(timer)
      // An error is dear to make, and nearly every request has been read to its end.
      if (!req.complete) reject(new Error('the client went away'))
    })
  })
}

/**
 * For bodies that others read: ends a request whose body has not arrived in time, or is still coming when the answer
 * has gone out.
 */
export function limitBodyTime(req: IncomingMessage, res: ServerResponse): void {
  const { socket } = req
  const timer = setTimeout(() => {
    if (!req.complete) req.destroy()
  }, BODY_TIMEOUT_MS)
  const clear = () => clearTimeout(timer)
  req.once('end', clear)
  res.once('finish', () => {
    if (!req.complete) socket.destroySoon()
  })
  res.once('close', clear)
}
