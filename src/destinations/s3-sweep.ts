// Finds the uploads that a run's attempts left unfinished.
import { ListMultipartUploadsCommand, ListPartsCommand, type S3Client } from '@aws-sdk/client-s3'
import { isRefused, request } from './s3-errors.ts'
import { areMarks, isOfRun, MARKS_AFTER, type Mark } from './s3-marks.ts'

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
  for await (const upload of uploadsIn(context, Key.slice(0, Key.lastIndexOf('/') + 1))) {
    if (await isMine(context, upload, Key)) yield upload
  }
}

async function isMine(context: SweepContext, upload: Upload, Key: string): Promise<boolean> {
  try {
    const low = await piecesAfter(context, upload, MARKS_AFTER.most)
    const marks = areMarks(low) ? low : await piecesAfter(context, upload, MARKS_AFTER.large)
    if (marks.length > 0) return isOfRun(marks, context)
    return upload.Key.startsWith(Key) && (await piecesAfter(context, upload, 0)).length === 0
  } catch (error) {
    if (isRefused(error, 'NoSuchUpload')) return false // it has ended meanwhile
    throw error
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

/** At most a page of them. */
async function piecesAfter({ client, signal }: SweepContext, upload: Upload, after: number): Promise<Mark[]> {
  const command = new ListPartsCommand({ ...upload, PartNumberMarker: String(after) })
  const { Parts } = await request(() => client.send(command, { abortSignal: signal }), signal)
  return (Parts ?? []).map(({ PartNumber = 0, Size = 0 }) => ({ number: PartNumber, bytes: Size }))
}
