// Multipart uploads with the limits that the store documents.
import { createHash } from 'node:crypto'
import { S3Refusal } from './refusal.ts'

const MIN_PIECE_BYTES = 5 * 1024 * 1024
const MAX_PIECE_NUMBER = 10_000

export interface S3Object {
  body: Buffer
  etag: string
  metadata: Record<string, string>
  /** Of server-side encryption, as asked for. */
  encryption: Record<string, string>
}
export interface Upload {
  id: string
  bucket: string
  key: string
  initiated: Date
  isChecked: boolean
  object: Pick<S3Object, 'metadata' | 'encryption'>
  pieces: Map<number, { body: Buffer; etag: string; sha256: string }>
}

export function putPiece(upload: Upload, number: number, body: Buffer, sha256: string | null): string {
  if (!Number.isInteger(number) || number < 1 || number > MAX_PIECE_NUMBER) {
    throw new S3Refusal(
      400,
      'InvalidArgument',
      'Part number must be an integer between 1 and 10000, inclusive',
    )
  }
  if (upload.isChecked && sha256 === null) {
    throw new S3Refusal(
      400,
      'InvalidRequest',
      'Checksum Type mismatch occurred, expected checksum Type: sha256',
    )
  }
  const etag = hashOf('md5', body).toString('hex')
  upload.pieces.set(number, { body, etag, sha256: hashOf('sha256', body).toString('base64') })
  return etag
}

/** The object that the listed pieces make. Other pieces are dropped, as the store does. */
export function completed(upload: Upload, xml: string): S3Object {
  const listed = [...xml.matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, part = '']) => ({
    number: Number(inside(part, 'PartNumber')),
    etag: inside(part, 'ETag').replaceAll('&quot;', '').replaceAll('"', ''),
    sha256: inside(part, 'ChecksumSHA256'),
  }))
  if (listed.length === 0 || !xml.includes('<CompleteMultipartUpload')) {
    throw new S3Refusal(400, 'MalformedXML', 'The XML you provided was not well-formed')
  }
  const pieces = listed.map(({ number, etag, sha256 }, index) => {
    if (index > 0 && number <= (listed[index - 1]?.number ?? 0)) {
      throw new S3Refusal(400, 'InvalidPartOrder', 'The list of parts was not in ascending order.')
    }
    const piece = upload.pieces.get(number)
    if (!piece || piece.etag !== etag) {
      throw new S3Refusal(400, 'InvalidPart', 'One or more of the specified parts could not be found.')
    }
    if (upload.isChecked && sha256 !== piece.sha256) {
      throw new S3Refusal(
        400,
        'InvalidRequest',
        'The complete request must include the checksum for each part.',
      )
    }
    if (index < listed.length - 1 && piece.body.length < MIN_PIECE_BYTES) {
      throw new S3Refusal(
        400,
        'EntityTooSmall',
        'Your proposed upload is smaller than the minimum allowed size',
      )
    }
    return piece
  })
  const digests = pieces.map(({ etag }) => Buffer.from(etag, 'hex'))
  return {
    ...upload.object,
    body: Buffer.concat(pieces.map(({ body }) => body)),
    etag: `${hashOf('md5', Buffer.concat(digests)).toString('hex')}-${pieces.length}`,
  }
}

const inside = (xml: string, tag: string) => new RegExp(`<${tag}>(.*?)</${tag}>`, 's').exec(xml)?.[1] ?? ''
export const hashOf = (algorithm: string, data: Buffer) => createHash(algorithm).update(data).digest()
