import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
} from '@aws-sdk/client-s3'
import { s3Client } from '../../src/destinations/s3-client.ts'
import { toLoopback } from './outbound.ts'
import type { S3Place } from './s3-scenes.ts'

/** Makes the bucket `bucket`, and looks into it as its owner does. */
export async function s3Bucket({ url, keys }: S3Place) {
  const client = s3Client({ ...keys, endpoint: url, forcePathStyle: true }, toLoopback)
  const Bucket = 'bucket'
  await client.send(new CreateBucketCommand({ Bucket }))
  const uploads = async (folder: string) => {
    const command = new ListMultipartUploadsCommand({ Bucket, Prefix: `${folder}/` })
    return (await client.send(command)).Uploads ?? []
  }
  const objects = async (folder: string): Promise<Record<string, Buffer>> => {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: `${folder}/` }))
    const entries = Contents.map(async ({ Key = '' }) => {
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }))
      return [Key.slice(folder.length + 1), Buffer.from((await Body?.transformToByteArray()) ?? [])] as const
    })
    return Object.fromEntries(await Promise.all(entries))
  }
  return {
    /** What can be seen in the folder, by name. */
    objects,
    /** What is not completed in the folder. */
    uploads: async (folder: string) =>
      (await uploads(folder)).map(({ Key, UploadId }) => `${Key} ${UploadId}`),
    async clear(folder: string) {
      for (const name of Object.keys(await objects(folder))) {
        await client.send(new DeleteObjectCommand({ Bucket, Key: `${folder}/${name}` }))
      }
      for (const { Key, UploadId } of await uploads(folder)) {
        await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }))
      }
    },
  }
}
