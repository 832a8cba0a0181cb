// Signs requests of the S3 library after Google's own V4 scheme: the same steps as Amazon's with other words. Amazon's
// are taken as well, but not together with Google's condition on what is there already: a request may not have headers
// of both. https://cloud.google.com/storage/docs/authentication/signatures
import { createHash, createHmac } from 'node:crypto'
import type { S3ClientConfig } from '@aws-sdk/client-s3'

const ALGORITHM = 'GOOG4-HMAC-SHA256'
const SCOPE = ['auto', 'storage', 'goog4_request'] as const

type Signer = Exclude<NonNullable<S3ClientConfig['signer']>, (...given: never[]) => unknown>
/** As the library has it. */
interface HttpRequest {
  method: string
  path: string
  query?: Record<string, string | string[] | null>
  headers: Record<string, string>
  body?: string | Uint8Array
}
interface HmacKey {
  accessKeyId: string
  secretAccessKey: string
}

/** `headers` go with every request. */
export function googleSigner(key: HmacKey, headers: Record<string, string>, now = () => new Date()): Signer {
  return {
    async sign(given) {
      const { 'x-id': _, ...query } = given.query ?? {} // the library's own note
      const asked = {
        ...(given as HttpRequest),
        query,
        headers: { ...googleHeaders(given.headers), ...headers },
      }
      const date = now()
        .toISOString()
        .replace(/[-:]|\.\d+/g, '')
      asked.headers['x-goog-date'] = date
      asked.headers['x-goog-content-sha256'] ??= sha256(asked.body ?? '')
      asked.headers.authorization = authorizationOf(asked, key, date)
      return { ...given, query, headers: asked.headers }
    },
  }
}

/** Amazon's headers by Google's names. */
function googleHeaders(headers: Record<string, string>): Record<string, string> {
  const entries = Object.entries(headers).flatMap(([name, value]): [string, string][] => {
    const lower = name.toLowerCase()
    if (lower === 'x-amz-user-agent' || lower.startsWith('amz-sdk-')) return []
    if (lower === 'if-none-match') return [['x-goog-if-generation-match', '0']] // there is none
    return [[lower.replace(/^x-amz-/, 'x-goog-'), value]]
  })
  return Object.fromEntries(entries)
}

function authorizationOf(request: HttpRequest, key: HmacKey, date: string): string {
  const names = Object.keys(request.headers)
    .filter((name) => name === 'host' || name.startsWith('x-goog-'))
    .sort()
  const canonical = [
    request.method,
    request.path
      .split('/')
      .map((step) => encoded(decodeURIComponent(step)))
      .join('/'),
    canonicalQuery(request.query ?? {}),
    ...names.map((name) => `${name}:${request.headers[name]?.trim().replace(/\s+/g, ' ')}`),
    '',
    names.join(';'),
    request.headers['x-goog-content-sha256'],
  ].join('\n')
  const scope = [date.slice(0, 8), ...SCOPE]
  const text = [ALGORITHM, date, scope.join('/'), sha256(canonical)].join('\n')
  const signingKey = scope.reduce<string | Buffer>(hmac, `GOOG4${key.secretAccessKey}`)
  const signature = hmac(signingKey, text).toString('hex')
  const credential = [key.accessKeyId, ...scope].join('/')
  return `${ALGORITHM} Credential=${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`
}

function canonicalQuery(query: NonNullable<HttpRequest['query']>): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    [value ?? ''].flat().map((one) => `${encoded(name)}=${encoded(one)}`),
  )
  return pairs.sort().join('&')
}

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex')
const encoded = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
