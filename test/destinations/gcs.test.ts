import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { gcs } from '../../src/destinations/gcs/driver.ts'
import { toLoopback } from '../support/outbound.ts'
import { asTexts, everythingOn, objectsOf, openDelivery, write } from '../support/s3-scenes.ts'
import { type S3Server, s3Server } from '../support/s3-server/server.ts'
import { fileDriverContract } from './file-driver-contract.ts'

let server: S3Server
beforeEach(async () => {
  server = await s3Server('goog')
})
afterEach(() => server.close())
const driver = () => gcs({ outbound: toLoopback })
const account = (settings = {}) => {
  const { accessKeyId, secretAccessKey } = server.keys
  const at = { endpoint: server.url, ...settings }
  return { settings: at, secrets: { accessKeyId, secretAccessKey }, details: null }
}
const open = (runId = 'run_1') => openDelivery(driver(), account(), { runId, fence: 1 })
const large = Buffer.alloc(20 * 1024 * 1024 + 1, 'a line of a large file\n')

fileDriverContract('GCS', () => ({
  open: (claim) => openDelivery(driver(), account(), claim),
  visible: async () => asTexts(objectsOf(server)),
  everything: async () => everythingOn(server),
}))

describe('a part', () => {
  it('of many pieces arrives byte for byte, under any name', async () => {
    const delivery = await open()
    const part = await write(delivery, "ünï code/a+b&c=d%20#?'()*!.csv", large)
    expect(await delivery.hasPart(part)).toBe(true)
    const location = await delivery.publish(part, { replace: false })
    expect(location).toBe("gs://bucket/out/ünï code/a+b&c=d%20#?'()*!.csv")
    expect(Object.values(objectsOf(server)).map((body) => body.equals(large))).toEqual([true])
  })

  it('never overwrites what somebody else put there in the last moment', async () => {
    const delivery = await open()
    const part = await write(delivery, 'a.csv', Buffer.from('mine'))
    const theirs = { body: Buffer.from('theirs'), etag: 'x', metadata: {}, encryption: {} }
    const first = () => server.buckets.get('bucket')?.set('out/a.csv', theirs)
    server.faults.add('CompleteMultipartUpload', { first })
    await expect(delivery.publish(part, { replace: false })).rejects.toMatchObject({ code: 'NAME_TAKEN' })
    expect(asTexts(objectsOf(server))).toEqual({ 'a.csv': 'theirs' })
  })

  it('is published without the condition where the store refuses it', async () => {
    const delivery = await open()
    const part = await write(delivery, 'a.csv', Buffer.from('mine'))
    server.faults.add('CompleteMultipartUpload', { status: 400, code: 'InvalidArgument' })
    await delivery.publish(part, { replace: false })
    expect(asTexts(objectsOf(server))).toEqual({ 'a.csv': 'mine' })
  })

  it('is found as its own after a lost answer', async () => {
    const delivery = await open()
    const part = await write(delivery, 'a.csv', Buffer.from('mine'))
    server.faults.add('CompleteMultipartUpload', { loseAnswer: true }, 2)
    await delivery.publish(part, { replace: false })
    expect(everythingOn(server)).toEqual(['out/a.csv'])
  })
})

it("no request has a header of Amazon's", async () => {
  const delivery = await open()
  await delivery.publish(await write(delivery, 'a.csv', large), { replace: false })
  await delivery.putFile('a.csv.manifest.json', Buffer.from('{}'))
  await delivery.discard('a', [])
  const names = server.requests.flatMap(({ headers }) => Object.keys(headers))
  expect(names.filter((name) => name.includes('amz') || name.startsWith('if-'))).toEqual([])
  expect(new Set(names)).toContain('x-goog-if-generation-match')
})

describe('a login', () => {
  const login = (settings = {}, secrets = {}) => {
    const { secrets: right, ...rest } = account(settings)
    return driver().account?.verify(
      { ...rest, secrets: { ...right, ...secrets } },
      AbortSignal.timeout(10_000),
    )
  }

  it('tells the buckets of the project', async () => {
    expect(await login({ projectId: 'my-project' })).toEqual({ buckets: ['bucket'] })
    expect(server.requests[0]?.headers['x-goog-project-id']).toBe('my-project')
  })

  it('with a wrong secret is refused', async () => {
    await expect(login({}, { secretAccessKey: 'wrong' })).rejects.toMatchObject({ code: 'REFUSED_LOGIN' })
  })
})
