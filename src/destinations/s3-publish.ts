// Completing an upload, once and no more, whatever answers are lost on the way.
import {
  CompleteMultipartUploadCommand,
  HeadObjectCommand,
  ListPartsCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { DeliveryError } from './driver.ts'
import { cannotAsk, isRefused, request } from './s3-errors.ts'
import type { UploadReceipt } from './s3-upload.ts'

interface PublishContext {
  client: S3Client
  Bucket: string
  runId: string
  signal: AbortSignal
}

/**
 * Makes a finished upload the object of its key. Content with the object that it finds there when that is the run's.
 * @throws DeliveryError NAME_TAKEN when somebody else's has the key and `replace` is false
 */
export async function publishUpload(
  context: PublishContext,
  receipt: UploadReceipt,
  replace: boolean,
): Promise<void> {
  // Asked before, too: some stores do not heed the condition, or refuse it.
  const before = await standingOf(context, receipt)
  if (before === 'ours') return
  if (before === 'theirs' && !replace) throw nameTaken(receipt)
  try {
    await complete(context, receipt, !replace)
  } catch (error) {
    const isStrange = isRefused(error, 'NotImplemented', 'InvalidArgument', 'ExcessHeaderValues')
    if (!replace && isStrange) return complete(context, receipt, false)
    const isTold = isRefused(error, 'NoSuchUpload', 'PreconditionFailed', 'ConditionalRequestConflict')
    if (!isTold) throw error
    const after = await standingOf(context, receipt)
    if (after === 'ours') return
    if (after === 'theirs' && !replace) throw nameTaken(receipt)
    const message = `The finished upload of ${receipt.key} has disappeared from the store.`
    throw new DeliveryError('UNAVAILABLE', message, { retryable: true })
  }
}

async function complete({ client, Bucket, signal }: PublishContext, receipt: UploadReceipt, isNew: boolean) {
  const { key: Key, uploadId: UploadId, etags, sha256s } = receipt
  const Parts = etags.map((ETag, index) => ({
    PartNumber: index + 1,
    ETag,
    ...(sha256s && { ChecksumSHA256: sha256s[index] }),
  }))
  const command = new CompleteMultipartUploadCommand({
    Bucket,
    Key,
    UploadId,
    MultipartUpload: { Parts },
    ...(isNew && { IfNoneMatch: '*' }),
  })
  await request(() => client.send(command, { abortSignal: signal }), signal)
}

/** Whose object has the key. */
async function standingOf({ client, Bucket, runId, signal }: PublishContext, { key, bytes }: UploadReceipt) {
  const command = new HeadObjectCommand({ Bucket, Key: key })
  try {
    const found = await request(() => client.send(command, { abortSignal: signal }), signal)
    return found.Metadata?.run === runId && found.ContentLength === bytes ? 'ours' : 'theirs'
  } catch (error) {
    if (isRefused(error, 'NotFound', 'NoSuchKey')) return 'nobodys'
    throw error
  }
}

/** Whether the store has every piece. Where it cannot or may not tell, what it acknowledged counts. */
export async function isStillThere(context: PublishContext, receipt: UploadReceipt): Promise<boolean> {
  const { client, Bucket, signal } = context
  const { key: Key, uploadId: UploadId, etags } = receipt
  const found: string[] = []
  let bytes = 0
  let after: string | undefined = '0'
  try {
    while (after !== undefined) {
      const command: ListPartsCommand = new ListPartsCommand({
        Bucket,
        Key,
        UploadId,
        PartNumberMarker: after,
      })
      const page = await request(() => client.send(command, { abortSignal: signal }), signal)
      for (const { PartNumber = 0, ETag = '', Size = 0 } of page.Parts ?? []) {
        if (PartNumber > etags.length) continue // a mark
        found[PartNumber - 1] = ETag
        bytes += Size
      }
      after = page.IsTruncated ? page.NextPartNumberMarker : undefined
    }
  } catch (error) {
    if (isRefused(error, 'NoSuchUpload')) return false
    if (cannotAsk(error)) return true
    throw error
  }
  return bytes === receipt.bytes && found.map(bare).join() === etags.map(bare).join()
}

const bare = (etag: string) => etag.replaceAll('"', '')

function nameTaken({ key }: UploadReceipt): DeliveryError {
  return new DeliveryError('NAME_TAKEN', `${key} exists already.`, { retryable: true })
}
