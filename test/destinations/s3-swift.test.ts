// S3 against a real store, OpenStack Swift.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { s3 } from '../../src/destinations/s3/driver.ts'
import { faultyProxy } from '../support/faulty-proxy.ts'
import { toLoopback } from '../support/outbound.ts'
import { s3Bucket } from '../support/s3-bucket.ts'
import { accountFor, asTexts, openDelivery, write } from '../support/s3-scenes.ts'
import { hasSwift, type SwiftServer, startSwift } from '../support/swift-server.ts'
import { fileDriverContract } from './file-driver-contract.ts'
import { fileDriverFaults } from './file-driver-faults.ts'

const driver = s3({ outbound: toLoopback })

describe.runIf(hasSwift())('with OpenStack Swift', () => {
  let swift: SwiftServer
  let bucket: Awaited<ReturnType<typeof s3Bucket>>
  beforeAll(async () => {
    swift = await startSwift()
    bucket = await s3Bucket(swift)
  }, 90_000)
  afterAll(() => swift?.close())
  const open = (path: string, claim = { runId: 'run_1', fence: 1 }) =>
    openDelivery(driver, accountFor(swift), { ...claim, settings: { path } })

  let number = 0
  fileDriverContract('S3', () => {
    const folder = `test-${++number}` // a server for all tests, a folder for each
    return {
      open: (claim) => open(folder, claim),
      visible: async () => asTexts(await bucket.objects(folder)),
      everything: async () => [
        ...Object.keys(await bucket.objects(folder)),
        ...(await bucket.uploads(folder)),
      ],
    }
  })

  fileDriverFaults('S3', {
    over: 'tcp', // Swift ends an answer to HEAD as if it had a body, which no proxy of HTTP understands
    async start() {
      const proxy = await faultyProxy(Number(new URL(swift.url).port))
      const { settings, secrets } = accountFor({ ...swift, url: `http://127.0.0.1:${proxy.port}` })
      return {
        destination: {
          type: 'S3',
          account: { settings, secrets },
          settings: { bucket: 'bucket', path: 'out' },
        },
        proxy,
        files: async () => new Map(Object.entries(await bucket.objects('out'))),
        leftovers: () => bucket.uploads('out'),
        clear: () => bucket.clear('out'),
        secrets: [swift.keys.secretAccessKey],
        close: () => proxy.close(),
      }
    },
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
    const delivery = await open('large')
    const part = await write(delivery, "ünï code/a+b&c=d%20'()*!.csv", bytes)
    expect(await delivery.hasPart(part)).toBe(true)
    await delivery.publish(part, { replace: false })
    expect(Object.values(await bucket.objects('large')).map((body) => body.equals(bytes))).toEqual([true])
    expect(await bucket.uploads('large')).toEqual([])
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
