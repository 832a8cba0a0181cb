// Checks a request's signature as Amazon documents it (Signature Version 4, in the Authorization header), and as Google
// documents its own V4: the same with other words.
import { createHash, createHmac } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { S3Refusal } from './refusal.ts'

export type Dialect = 'amz' | 'goog'
export interface Keys {
  accessKeyId: string
  secretAccessKey: string
  sessionToken: string | null
  region: string
}

const WORDS = {
  amz: { algorithm: 'AWS4-HMAC-SHA256', prefix: 'AWS4', service: 's3', end: 'aws4_request' },
  goog: { algorithm: 'GOOG4-HMAC-SHA256', prefix: 'GOOG4', service: 'storage', end: 'goog4_request' },
}
const MAX_SKEW_MS = 15 * 60_000

/** @throws S3Refusal with the code that the store would give */
export function checkSignature(request: IncomingMessage, body: Buffer, dialect: Dialect, keys: Keys): void {
  const { headers } = request
  const words = WORDS[dialect]
  const given = parseAuthorization(headers.authorization ?? '', words.algorithm)
  const [accessKeyId, day = '', region = '', service, end] = given.credential.split('/')
  if (accessKeyId !== keys.accessKeyId) {
    throw new S3Refusal(403, 'InvalidAccessKeyId', `The key id ${accessKeyId} does not exist in our records.`)
  }
  if (region !== keys.region || service !== words.service || end !== words.end) {
    throw new S3Refusal(
      400,
      'AuthorizationHeaderMalformed',
      `the region '${region}' is wrong; expecting '${keys.region}'`,
    )
  }
  const date = `${headers[`x-${dialect}-date`]}`
  const at = Date.parse(date.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  if (!(Math.abs(at - Date.now()) < MAX_SKEW_MS) || !date.startsWith(day)) {
    throw new S3Refusal(403, 'RequestTimeTooSkewed', 'The request time is too far from the current time.')
  }
  const unsigned = Object.keys(headers).filter(
    (name) => name.startsWith('x-') && !given.headers.includes(name),
  )
  if (unsigned.length > 0 || !given.headers.includes('host')) {
    throw new S3Refusal(403, 'AccessDenied', `There were headers present which were not signed: ${unsigned}`)
  }
  const hash = `${headers[`x-${dialect}-content-sha256`]}`
  const canonical = canonicalRequest(request, given.headers, hash)
  const scope = `${day}/${region}/${service}/${end}`
  const text = [words.algorithm, date, scope, sha256(canonical)].join('\n')
  const key = [day, region, words.service, words.end].reduce<Buffer | string>(
    (secret, word) => createHmac('sha256', secret).update(word).digest(),
    `${words.prefix}${keys.secretAccessKey}`,
  )
  if (createHmac('sha256', key).update(text).digest('hex') !== given.signature) {
    throw new S3Refusal(403, 'SignatureDoesNotMatch', 'The request signature we calculated does not match.')
  }
  if ((headers['x-amz-security-token'] ?? null) !== keys.sessionToken) {
    throw new S3Refusal(400, 'InvalidToken', 'The provided token is malformed or otherwise invalid.')
  }
  if (hash !== sha256(body)) {
    throw new S3Refusal(
      400,
      'XAmzContentSHA256Mismatch',
      'The provided hash does not match what was computed.',
    )
  }
}

function parseAuthorization(header: string, algorithm: string) {
  const pattern = /^(\S+) Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/
  const [, name, credential = '', signed = '', signature = ''] = pattern.exec(header) ?? []
  if (name !== algorithm) throw new S3Refusal(403, 'AccessDenied', `It takes a signature of ${algorithm}.`)
  const headers = signed.split(';')
  if (headers.join() !== headers.toSorted().join()) {
    throw new S3Refusal(400, 'AuthorizationHeaderMalformed', 'SignedHeaders are not sorted.')
  }
  return { credential, headers, signature }
}

function canonicalRequest(request: IncomingMessage, signed: string[], hash: string): string {
  const url = new URL(request.url ?? '/', 'http://host')
  const path = url.pathname
    .split('/')
    .map((step) => encode(decodeURIComponent(step)))
    .join('/')
  const query = [...url.searchParams].map(([name, value]) => `${encode(name)}=${encode(value)}`).toSorted()
  const lines = signed.map(
    (name) => `${name}:${`${request.headers[name] ?? ''}`.trim().replace(/ +/g, ' ')}\n`,
  )
  return [request.method, path, query.join('&'), lines.join(''), signed.join(';'), hash].join('\n')
}

const encode = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex')
