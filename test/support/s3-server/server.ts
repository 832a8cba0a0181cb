// A strict stand-in for an object store: it checks signatures, hashes and limits as the real ones document them, hides
// uploads until they are completed, heeds conditions, and goes wrong when told to.
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Faults, faultList, refuseIfPlanned } from './faults.ts'
import { type Answer, escaped, operationOf, perform, type S3State, xml } from './operations.ts'
import { S3Refusal } from './refusal.ts'
import { checkSignature, type Dialect, type Keys } from './signature.ts'

export interface S3Server extends S3State {
  url: string
  /** Who may come in; may be changed, as an administrator of the other side would. */
  keys: Keys
  faults: Faults
  /** What was asked for, in order. */
  requests: { operation: string; key: string; headers: http.IncomingHttpHeaders; bytes: number }[]
  close(): Promise<void>
}

/** With one bucket, `bucket`. */
export async function s3Server(dialect: Dialect = 'amz'): Promise<S3Server> {
  const keys = {
    accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
    sessionToken: null,
    region: dialect === 'amz' ? 'eu-central-1' : 'auto',
  }
  const state = { dialect, buckets: new Map([['bucket', new Map()]]), uploads: [], pageSize: 1000 }
  const server: S3Server = { ...state, url: '', keys, faults: faultList(), requests: [], close }
  const listener = http.createServer((request, response) => {
    const { socket } = request // a request that was broken off has none
    serve(server, request).then(
      (answer) => send(response, answer, request.method === 'HEAD'),
      () => socket.destroy(),
    )
  })
  // Never the first to hang up: a client would find the connection cut when it comes back.
  listener.keepAliveTimeout = 0
  async function close() {
    listener.closeAllConnections()
    await new Promise((resolve) => listener.close(resolve))
  }
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  server.url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`
  return server
}

class Cut extends Error {}

/** @throws Cut when the connection is to be cut */
async function serve(server: S3Server, request: http.IncomingMessage): Promise<Answer> {
  const url = new URL(request.url ?? '/', 'http://host')
  const [, bucket = '', ...steps] = url.pathname.split('/').map(decodeURIComponent)
  const [key, query, { headers }] = [steps.join('/'), url.searchParams, request]
  const operation = operationOf(request.method ?? '', key, bucket, query)
  const fault = server.faults.next(operation)
  const body = await bodyOf(request, fault && 'cutAfter' in fault ? fault.cutAfter : null)
  server.requests.push({ operation, key, headers, bytes: body.length })
  if (fault && 'first' in fault) await fault.first()
  try {
    refuseIfPlanned(fault)
    checkSignature(request, body, server.dialect, server.keys)
    const answer = perform(server, { operation, bucket, key, query, headers, body })
    if (fault && 'loseAnswer' in fault) throw new Cut()
    return answer
  } catch (error) {
    if (!(error instanceof S3Refusal)) throw error
    const inner = `<Code>${error.code}</Code><Message>${escaped(error.message)}</Message><RequestId>1</RequestId>`
    const answer = xml('Error', inner, error.status)
    return { ...answer, headers: { ...answer.headers, ...error.headers } }
  }
}

async function bodyOf(request: http.IncomingMessage, cutAfter: number | null): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    chunks.push(chunk)
    bytes += chunk.length
    if (cutAfter !== null && bytes >= cutAfter) throw new Cut()
  }
  if (cutAfter !== null) throw new Cut()
  return Buffer.concat(chunks)
}

function send(response: http.ServerResponse, { status, headers = {}, body }: Answer, isHead: boolean): void {
  response.writeHead(status, headers)
  response.end(isHead ? undefined : body)
}
