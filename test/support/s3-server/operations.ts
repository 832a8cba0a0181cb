// What the store does for each request, once its signature is found good.
import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { S3Refusal } from './refusal.ts'
import type { Dialect } from './signature.ts'
import { completed, hashOf, putPiece, type S3Object, type Upload } from './uploads.ts'

export interface S3State {
  dialect: Dialect
  buckets: Map<string, Map<string, S3Object>>
  uploads: Upload[]
  /** How many entries a page of a list has at most. */
  pageSize: number
}
export interface Asked {
  operation: string
  bucket: string
  key: string
  query: URLSearchParams
  headers: IncomingHttpHeaders
  body: Buffer
}
export interface Answer {
  status: number
  headers?: Record<string, string>
  body?: string | Buffer
}

/** The name of what is asked for, as Amazon has it. */
export function operationOf(method: string, key: string, bucket: string, query: URLSearchParams): string {
  if (bucket === '') return method === 'GET' ? 'ListBuckets' : 'Unknown'
  if (key === '') {
    if (method === 'GET' && query.has('uploads')) return 'ListMultipartUploads'
    return method === 'GET' && query.get('list-type') === '2' ? 'ListObjectsV2' : 'Unknown'
  }
  if (method === 'POST' && query.has('uploads')) return 'CreateMultipartUpload'
  const ofUpload = {
    PUT: 'UploadPart',
    GET: 'ListParts',
    POST: 'CompleteMultipartUpload',
    DELETE: 'AbortMultipartUpload',
  }
  const ofObject = { PUT: 'PutObject', HEAD: 'HeadObject', GET: 'GetObject', DELETE: 'DeleteObject' }
  const names: Record<string, string> = query.has('uploadId') ? ofUpload : ofObject
  return names[method] ?? 'Unknown'
}

/** @throws S3Refusal */
export function perform(state: S3State, asked: Asked): Answer {
  if (asked.operation === 'ListBuckets') {
    const buckets = [...state.buckets.keys()].map((name) => `<Bucket><Name>${name}</Name></Bucket>`)
    const owner = '<Owner><ID>1</ID><DisplayName>owner</DisplayName></Owner>'
    return xml('ListAllMyBucketsResult', `${owner}<Buckets>${buckets.join('')}</Buckets>`)
  }
  const objects = state.buckets.get(asked.bucket)
  if (!objects) throw new S3Refusal(404, 'NoSuchBucket', 'The specified bucket does not exist')
  const upload = asked.query.has('uploadId') ? uploadOf(state, asked) : null
  checkDigests(asked, state.dialect)
  switch (asked.operation) {
    case 'ListObjectsV2':
      return listObjects(objects, asked)
    case 'ListMultipartUploads':
      return listUploads(state, asked)
    case 'CreateMultipartUpload': {
      const id = `${randomUUID()}.${randomUUID()}`
      state.uploads.push({ id, ...newUpload(state, asked) })
      return xml('InitiateMultipartUploadResult', `<UploadId>${id}</UploadId>`)
    }
    case 'UploadPart': {
      const sha256 = asked.headers['x-amz-checksum-sha256'] as string | undefined
      const etag = putPiece(upload!, Number(asked.query.get('partNumber')), asked.body, sha256 ?? null)
      return { status: 200, headers: { etag: `"${etag}"` } }
    }
    case 'ListParts':
      return listPieces(upload!, asked, state.pageSize)
    case 'CompleteMultipartUpload': {
      const object = completed(upload!, asked.body.toString())
      checkCondition(objects, asked, state.dialect)
      objects.set(asked.key, object)
      state.uploads.splice(state.uploads.indexOf(upload!), 1)
      return xml('CompleteMultipartUploadResult', `<ETag>&quot;${object.etag}&quot;</ETag>`)
    }
    case 'AbortMultipartUpload':
      state.uploads.splice(state.uploads.indexOf(upload!), 1)
      return { status: 204 }
    case 'PutObject': {
      checkCondition(objects, asked, state.dialect)
      const etag = hashOf('md5', asked.body).toString('hex')
      objects.set(asked.key, { body: asked.body, etag, ...describedBy(asked.headers, state.dialect) })
      return { status: 200, headers: { etag: `"${etag}"` } }
    }
    case 'HeadObject':
    case 'GetObject':
      return read(objects, asked, state.dialect)
    default:
      throw new S3Refusal(501, 'NotImplemented', 'A header or query you provided is not implemented')
  }
}

function uploadOf(state: S3State, { bucket, key, query }: Asked): Upload {
  const found = state.uploads.find(
    (upload) => upload.id === query.get('uploadId') && upload.bucket === bucket && upload.key === key,
  )
  if (found) return found
  throw new S3Refusal(
    404,
    'NoSuchUpload',
    'The specified upload does not exist. It may have been aborted or completed.',
  )
}

function newUpload(state: S3State, { bucket, key, headers }: Asked): Omit<Upload, 'id'> {
  if (Buffer.byteLength(key) > 1024) throw new S3Refusal(400, 'KeyTooLongError', 'Your key is too long')
  const isChecked = headers['x-amz-checksum-algorithm'] === 'SHA256'
  const object = describedBy(headers, state.dialect)
  return { bucket, key, initiated: new Date(), isChecked, object, pieces: new Map() }
}

function checkDigests({ headers, body }: Asked, dialect: Dialect): void {
  const sha256 = headers['x-amz-checksum-sha256']
  const isWrong =
    (headers['content-md5'] && headers['content-md5'] !== hashOf('md5', body).toString('base64')) ||
    (sha256 && sha256 !== hashOf('sha256', body).toString('base64'))
  if (isWrong)
    throw new S3Refusal(400, 'BadDigest', 'The checksum you specified did not match what we received.')
  const others = Object.keys(headers).filter((name) =>
    /^x-amz-(checksum-(?!sha256|algorithm)|trailer)/.test(name),
  )
  if (others.length > 0) throw new S3Refusal(501, 'NotImplemented', `${others} is not implemented`)
  const strange = dialect === 'goog' && Object.keys(headers).find((name) => name.startsWith('x-amz-'))
  if (strange) {
    throw new S3Refusal(400, 'ExcessHeaderValues', 'Requests cannot specify both x-amz and x-goog headers.')
  }
}

/** Google's store ignores If-None-Match on what writes. */
function checkCondition(objects: Map<string, S3Object>, { headers, key }: Asked, dialect: Dialect): void {
  const condition = headers[dialect === 'amz' ? 'if-none-match' : 'x-goog-if-generation-match']
  if (condition === undefined) return
  if (condition !== (dialect === 'amz' ? '*' : '0')) {
    throw new S3Refusal(
      501,
      'NotImplemented',
      'A header you provided implies functionality that is not implemented',
    )
  }
  if (objects.has(key)) {
    throw new S3Refusal(
      412,
      'PreconditionFailed',
      'At least one of the pre-conditions you specified did not hold',
    )
  }
}

function describedBy(
  headers: IncomingHttpHeaders,
  dialect: Dialect,
): Pick<S3Object, 'metadata' | 'encryption'> {
  const all = Object.entries(headers).map(([name, value]) => [name, `${value}`] as const)
  const starting = (start: string) =>
    Object.fromEntries(
      all
        .filter(([name]) => name.startsWith(start))
        .map(([name, value]) => [name.slice(start.length), value]),
    )
  const encryption = starting('x-amz-server-side-encryption')
  const how = encryption['']
  if ((how && !/^(AES256|aws:kms)$/.test(how)) || (encryption['-aws-kms-key-id'] && how !== 'aws:kms')) {
    throw new S3Refusal(400, 'InvalidArgument', 'The encryption method specified is not supported')
  }
  return { metadata: starting(`x-${dialect}-meta-`), encryption }
}

function listObjects(objects: Map<string, S3Object>, { query }: Asked): Answer {
  const prefix = query.get('prefix') ?? ''
  const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).toSorted()
  const shown = keys.slice(0, Number(query.get('max-keys') ?? 1000))
  const entries = shown.map(
    (key) => `<Contents><Key>${escaped(key)}</Key><Size>${objects.get(key)?.body.length}</Size></Contents>`,
  )
  return xml(
    'ListBucketResult',
    `<KeyCount>${shown.length}</KeyCount><IsTruncated>${shown.length < keys.length}</IsTruncated>${entries.join('')}`,
  )
}

function listUploads({ uploads, pageSize }: S3State, { bucket, query }: Asked): Answer {
  const [prefix, delimiter] = [query.get('prefix') ?? '', query.get('delimiter')]
  const [afterKey, afterId] = [query.get('key-marker') ?? '', query.get('upload-id-marker') ?? '']
  const sorted = uploads
    .filter((upload) => upload.bucket === bucket && upload.key.startsWith(prefix))
    .filter(({ key }) => !delimiter || !key.slice(prefix.length).includes(delimiter))
    .toSorted((a, b) => (a.key === b.key ? (a.id < b.id ? -1 : 1) : a.key < b.key ? -1 : 1))
  const rest = sorted.filter(
    ({ key, id }) => key > afterKey || (key === afterKey && afterId !== '' && id > afterId),
  )
  const page = rest.slice(0, pageSize)
  const last = page.at(-1)
  const entries = page.map(
    ({ key, id, initiated }) =>
      `<Upload><Key>${escaped(key)}</Key><UploadId>${id}</UploadId><Initiated>${initiated.toISOString()}</Initiated></Upload>`,
  )
  const next =
    page.length < rest.length && last
      ? `<IsTruncated>true</IsTruncated><NextKeyMarker>${escaped(last.key)}</NextKeyMarker><NextUploadIdMarker>${last.id}</NextUploadIdMarker>`
      : '<IsTruncated>false</IsTruncated>'
  return xml('ListMultipartUploadsResult', next + entries.join(''))
}

function listPieces({ pieces }: Upload, { query }: Asked, pageSize: number): Answer {
  const after = Number(query.get('part-number-marker') ?? 0)
  const rest = [...pieces].filter(([number]) => number > after).toSorted(([a], [b]) => a - b)
  const page = rest.slice(0, pageSize)
  const entries = page.map(
    ([number, { etag, body }]) =>
      `<Part><PartNumber>${number}</PartNumber><ETag>&quot;${etag}&quot;</ETag><Size>${body.length}</Size></Part>`,
  )
  const isCut = page.length < rest.length
  const next = isCut ? `<NextPartNumberMarker>${page.at(-1)?.[0]}</NextPartNumberMarker>` : ''
  return xml('ListPartsResult', `<IsTruncated>${isCut}</IsTruncated>${next}${entries.join('')}`)
}

function read(objects: Map<string, S3Object>, { key, operation }: Asked, dialect: Dialect): Answer {
  const found = objects.get(key)
  if (!found) throw new S3Refusal(404, 'NoSuchKey', 'The specified key does not exist.')
  const metadata = Object.entries(found.metadata).map(([name, value]) => [`x-${dialect}-meta-${name}`, value])
  const headers = {
    etag: `"${found.etag}"`,
    'content-length': `${found.body.length}`,
    ...Object.fromEntries(metadata),
  }
  return { status: 200, headers, ...(operation === 'GetObject' && { body: found.body }) }
}

export function xml(root: string, inner: string, status = 200): Answer {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<${root}>${inner}</${root}>`
  return { status, headers: { 'content-type': 'application/xml' }, body }
}
export const escaped = (text: string) => text.replace(/[&<>"\u0000-\u001f]/g, (c) => `&#${c.charCodeAt(0)};`)
