// Files in an object store that speaks the S3 protocol. A part is an upload under its final key: nobody sees it until
// it is completed, and completing never overwrites unless told to. What is published carries the run's id, so that a
// run that asks again, or got no answer, finds its own.
import {
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3'
import type { DeliveryTarget, FileDelivery } from './driver.ts'
import { cannotAsk, request } from './s3-errors.ts'
import { isStillThere, publishUpload } from './s3-publish.ts'
import { uploadsOfRun } from './s3-sweep.ts'
import { abortUpload, openUpload, receiptOf } from './s3-upload.ts'

export interface S3DeliveryOptions {
  client: S3Client
  bucket: string
  /** A folder in the bucket, or empty. */
  path: string
  /** How locations begin, e.g. `s3`. */
  scheme: string
  encryption: Pick<PutObjectCommandInput, 'ServerSideEncryption' | 'SSEKMSKeyId'>
  /** Whether the store is to keep a checksum of every piece. */
  isChecked: boolean
}

export function s3Delivery(options: S3DeliveryOptions, target: DeliveryTarget): FileDelivery {
  const { client, bucket: Bucket, path, encryption, isChecked } = options
  const { runId, fence, signal, log } = target
  const keyOf = (name: string) => (path === '' ? name : `${path}/${name}`)
  const location = (name: string) => `${options.scheme}://${Bucket}/${keyOf(name)}`
  const create = { ...encryption, Metadata: { run: runId } }
  const context = { client, Bucket, runId, fence, signal }

  return {
    async exists(name) {
      const Key = keyOf(name)
      const command = new ListObjectsV2Command({ Bucket, Prefix: Key, MaxKeys: 1 })
      const found = await request(() => client.send(command, { abortSignal: signal }), signal)
      return found.Contents?.[0]?.Key === Key
    },

    openPart: (name) => openUpload({ ...context, Key: keyOf(name), create, isChecked }),

    async hasPart(part) {
      const receipt = receiptOf(part)
      if (receipt?.bytes !== part.bytes || receipt.key !== keyOf(part.name)) return false
      return isStillThere(context, receipt)
    },

    async publish(part, { replace }) {
      const receipt = receiptOf(part)
      if (!receipt) throw new Error(`the part ${part.name} has no receipt`)
      await publishUpload(context, receipt, replace)
      return location(part.name)
    },

    async putFile(name, content) {
      const command = new PutObjectCommand({ Bucket, Key: keyOf(name), Body: content, ...create })
      await request(() => client.send(command, { abortSignal: signal }), signal)
      return location(name)
    },

    async discard(name, keep) {
      const kept = new Set(keep.map((part) => receiptOf(part)?.uploadId))
      try {
        for await (const upload of uploadsOfRun(context, keyOf(name))) {
          if (!kept.has(upload.UploadId)) await abortUpload(client, upload)
        }
      } catch (error) {
        if (!cannotAsk(error)) throw error
        log.warn({ runId, error }, 'unfinished uploads cannot be looked for: have the bucket expire them')
      }
    },
  }
}
