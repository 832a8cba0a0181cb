import {
  CreateBucketCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { s3 } from '../../src/destinations/s3/driver.ts'
import { s3Client } from '../../src/destinations/s3-client.ts'
import { toLoopback } from '../support/outbound.ts'
import { accountFor, openDelivery } from '../support/s3-scenes.ts'
import { hasSwift, type SwiftServer, startSwift } from '../support/swift-server.ts'
import { fileDriverContract } from './file-driver-contract.ts'

const driver = s3({ outbound: toLoopback })
const Bucket = 'bucket'

describe.runIf(hasSwift())('with OpenStack Swift', () => {
  let swift: SwiftServer
  let client: ReturnType<typeof s3Client>
  beforeAll(async () => {
    swift = await startSwift()
    client = s3Client({ ...swift.keys, endpoint: swift.url, forcePathStyle: true }, toLoopback)
    await client.send(new CreateBucketCommand({ Bucket }))
  }, 90_000)
  afterAll(() => swift.close())

  const objectsIn = async (folder: string) => {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: `${folder}/` }))
    const entries = Contents.map(async ({ Key = '' }) => {
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }))
      return [Key.slice(folder.length + 1), (await Body?.transformToString()) ?? ''] as const
    })
    return Object.fromEntries(await Promise.all(entries))
  }
  const uploadsIn = async (folder: string) => {
    const command = new ListMultipartUploadsCommand({ Bucket, Prefix: `${folder}/` })
    return ((await client.send(command)).Uploads ?? []).map(({ Key, UploadId }) => `${Key} ${UploadId}`)
  }

  let number = 0
  fileDriverContract('S3', () => {
    const folder = `test-${++number}` // a server for all tests, a folder for each
    return {
      open: (claim) => openDelivery(driver, accountFor(swift), { ...claim, settings: { path: folder } }),
      visible: () => objectsIn(folder),
      everything: async () => [...Object.keys(await objectsIn(folder)), ...(await uploadsIn(folder))],
    }
  })

  it('a login tells the buckets, and is refused with wrong keys', async () => {
    const login = (account: ReturnType<typeof accountFor>) =>
      driver.account?.verify(account, AbortSignal.timeout(20_000))
    expect(await login(accountFor(swift))).toEqual({ buckets: ['bucket'] })
    const stranger = accountFor({ ...swift, keys: { ...swift.keys, secretAccessKey: 'wrong' } })
    await expect(login(stranger)).rejects.toMatchObject({ code: 'REFUSED_LOGIN' })
  })

  it('a part of many pieces arrives byte for byte', async () => {
    const bytes = Buffer.alloc(20 * 1024 * 1024 + 1, 'a line of a large file\n')
    const delivery = await openDelivery(driver, accountFor(swift), {
      runId: 'run_1',
      fence: 1,
      settings: { path: 'large' },
    })
    const writer = await delivery.openPart('a.csv')
    for (let at = 0; at < bytes.length; at += 1_000_000)
      await writer.write(bytes.subarray(at, at + 1_000_000))
    const receipt = (await writer.finish()) ?? {}
    const part = { part: 1, fence: 1, name: 'a.csv', rows: 1, bytes: bytes.length, sha256: '', receipt }
    expect(await delivery.hasPart(part)).toBe(true)
    await delivery.publish(part, { replace: false })
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: 'large/a.csv' }))
    expect(Buffer.from((await Body?.transformToByteArray()) ?? []).equals(bytes)).toBe(true)
    expect(await uploadsIn('large')).toEqual([])
  })

  it('a bucket that is not there is told as such', async () => {
    const target = { runId: 'run_1', fence: 1, settings: { bucket: 'nobodys', path: 'x' } }
    const delivery = await openDelivery(driver, accountFor(swift), target)
    await expect(delivery.openPart('a.csv')).rejects.toMatchObject({
      code: 'BAD_SETTINGS',
      message: expect.stringContaining('NoSuchBucket'),
    })
  })
})
