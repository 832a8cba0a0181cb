// Finds the uploads that a run's attempts left unfinished.
import { ListMultipartUploadsCommand, ListPartsCommand, type S3Client } from '@aws-sdk/client-s3'
import { isRefused, request } from './s3-errors.ts'
import { isOfRun, LAST_PIECE, type Mark } from './s3-marks.ts'

export interface Upload {
  Bucket: string
  Key: string
  UploadId: string
}
interface SweepContext {
  client: S3Client
  Bucket: string
  runId: string
  fence: number
  signal: AbortSignal
}

/** More unfinished uploads than this in one folder are not looked through. */
const MOST_PAGES = 20

/**
 * The run's unfinished uploads in the folder that `Key` is in. An upload that has no piece yet tells nothing: it counts
 * as the run's when its key begins with `Key`.
 * @throws DeliveryError
 */
export async function* uploadsOfRun(context: SweepContext, Key: string): AsyncGenerator<Upload> {
  const { runId, fence } = context
  for await (const upload of uploadsIn(context, Key.slice(0, Key.lastIndexOf('/') + 1))) {
    const marks = await marksIn(context, upload, LAST_PIECE)
    if (marks === null) continue
    const isUntold = marks.length === 0 && upload.Key.startsWith(Key)
    const isEmpty = isUntold && (await marksIn(context, upload, 0))?.length === 0
    if (isEmpty || isOfRun(marks, runId, fence)) yield upload
  }
}

async function* uploadsIn({ client, Bucket, signal }: SweepContext, Prefix: string): AsyncGenerator<Upload> {
  let after: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } = {}
  for (let page = 0; page < MOST_PAGES; page++) {
    const command = new ListMultipartUploadsCommand({ Bucket, Prefix, Delimiter: '/', ...after })
    const found = await request(() => client.send(command, { abortSignal: signal }), signal)
    for (const { Key, UploadId } of found.Uploads ?? []) if (Key && UploadId) yield { Bucket, Key, UploadId }
    if (!found.IsTruncated) return
    after = { KeyMarker: found.NextKeyMarker, UploadIdMarker: found.NextUploadIdMarker }
  }
}

/** The pieces after that number, at most a page of them; null: the upload has ended meanwhile. */
async function marksIn({ client, signal }: SweepContext, upload: Upload, after: number) {
  const command = new ListPartsCommand({ ...upload, PartNumberMarker: String(after) })
  try {
    const { Parts } = await request(() => client.send(command, { abortSignal: signal }), signal)
    return (Parts ?? []).map((part): Mark => ({ number: part.PartNumber ?? 0, bytes: part.Size ?? 0 }))
  } catch (error) {
    if (isRefused(error, 'NoSuchUpload')) return null
    throw error
  }
}
