import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { DeliveryError } from '../../src/destinations/driver.ts'
import { createOutbound } from '../../src/destinations/outbound.ts'
import { s3 } from '../../src/destinations/s3/driver.ts'
import { toLoopback } from '../support/outbound.ts'
import { accountFor, asTexts, everythingOn, objectsOf, openDelivery, write } from '../support/s3-scenes.ts'
import { type S3Server, s3Server } from '../support/s3-server/server.ts'

const driver = s3({ outbound: toLoopback })
const MIB = 1024 * 1024
let server: S3Server
beforeEach(async () => {
  server = await s3Server()
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await server.close()
})
const open = (runId = 'run_1', more: Parameters<typeof openDelivery>[2] | object = {}) =>
  openDelivery(driver, accountFor(server), { runId, fence: 1, ...more })
const keep = { replace: false }
const hello = Buffer.from('hello')
const thrownBy = (work: Promise<unknown>): Promise<DeliveryError> =>
  work.then(
    () => {
      throw new Error('it succeeded')
    },
    (error) => error,
  )
const visible = () => asTexts(objectsOf(server))
const put = (key: string, body: string) =>
  server.buckets.get('bucket')?.set(key, { body: Buffer.from(body), etag: 'x', metadata: {}, encryption: {} })

describe('a refusal', () => {
  it.each([
    [403, 'InvalidAccessKeyId', 'REFUSED_LOGIN', false],
    [403, 'SignatureDoesNotMatch', 'REFUSED_LOGIN', false],
    [400, 'ExpiredToken', 'REFUSED_LOGIN', false],
    [403, 'RequestTimeTooSkewed', 'REFUSED_LOGIN', false],
    [401, 'SomethingElse', 'REFUSED_LOGIN', false],
    [403, 'AccessDenied', 'REFUSED_WRITE', false],
    [403, 'SomethingElse', 'REFUSED_WRITE', false],
    [404, 'NoSuchBucket', 'BAD_SETTINGS', false],
    [301, 'PermanentRedirect', 'BAD_SETTINGS', false],
    [400, 'AuthorizationHeaderMalformed', 'BAD_SETTINGS', false],
    [400, 'KMS.NotFoundException', 'BAD_SETTINGS', false],
    [501, 'NotImplemented', 'BAD_SETTINGS', false],
    [507, 'XMinioStorageFull', 'OUT_OF_SPACE', true],
    [403, 'QuotaExceeded', 'OUT_OF_SPACE', true],
    [503, 'SlowDown', 'THROTTLED', true],
    [429, 'TooManyRequests', 'THROTTLED', true],
    [503, 'ServiceUnavailable', 'THROTTLED', true],
    [500, 'InternalError', 'UNAVAILABLE', true],
    [502, 'BadGateway', 'UNAVAILABLE', true],
  ])('of %d %s is %s, retryable: %s', async (status, code, expected, retryable) => {
    server.faults.add('CreateMultipartUpload', { status, code }, 4)
    const delivery = await open()
    const error = await thrownBy(delivery.openPart('a.csv'))
    expect(error).toMatchObject({ name: 'DeliveryError', code: expected, retryable })
    expect(error.message).toBe(`The store answered ${status} ${code}: This is a planned ${code}.`)
    expect(inspect(error, { depth: 9 })).not.toContain(server.keys.secretAccessKey)
  })

  it('with a pause asks the run to wait as long; the request does not', async () => {
    const headers = { 'retry-after': '30' }
    server.faults.add('CreateMultipartUpload', { status: 503, code: 'SlowDown', headers })
    const error = await thrownBy((await open()).openPart('a.csv'))
    expect(error).toMatchObject({ code: 'THROTTLED', retryAfterMs: 30_000 })
    expect(server.requests).toHaveLength(1)
  })

  it.each([
    { status: 503, code: 'SlowDown' },
    { status: 500, code: 'InternalError' },
    { status: 400, code: 'XAmzContentSHA256Mismatch' },
    { cutAfter: 4 * MIB },
    { loseAnswer: true as const },
  ])('of a piece, %j, three times is mended by sending it again', async (fault) => {
    const bytes = Buffer.alloc(20 * MIB, 'a line\n')
    const delivery = await open()
    const writer = await delivery.openPart('a.csv')
    server.faults.add('UploadPart', fault, 3)
    await writer.write(bytes)
    const receipt = (await writer.finish()) ?? {}
    const part = { part: 1, fence: 1, name: 'a.csv', rows: 1, bytes: bytes.length, sha256: '', receipt }
    await delivery.publish(part, keep)
    expect(objectsOf(server)['out/a.csv']?.equals(bytes)).toBe(true)
  })

  it('that lasts is told at the next write, and nothing is left after the abort', async () => {
    const writer = await (await open()).openPart('a.csv')
    server.faults.add('UploadPart', { cutAfter: MIB }, Infinity)
    const error = await thrownBy(writer.write(Buffer.alloc(80 * MIB)))
    expect(error).toMatchObject({ code: 'UNAVAILABLE', retryable: true })
    expect(error.message).toMatch(/^The store cut the connection/)
    await writer.abort()
    expect(everythingOn(server)).toEqual([])
  })

  it('that is no HTTP is UNAVAILABLE', async () => {
    const noise = net.createServer((socket) =>
      socket
        .on('error', () => {})
        .resume()
        .end('SSH-2.0-hello\r\n'),
    )
    await new Promise<void>((resolve) => noise.listen(0, '127.0.0.1', resolve))
    const { port } = noise.address() as net.AddressInfo
    const account = accountFor({ ...server, url: `http://127.0.0.1:${port}` })
    const delivery = await openDelivery(driver, account, { runId: 'run_1', fence: 1 })
    const error = await thrownBy(delivery.exists('a.csv'))
    expect(error).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('HTTP') })
    await new Promise((resolve) => noise.close(resolve))
  })

  it('of a piece whose upload a newer claim has discarded stops the older one', async () => {
    const writer = await (await open()).openPart('a.csv')
    await (await open('run_1', { fence: 2 })).discard('a', [])
    await writer.write(hello)
    expect(await thrownBy(writer.finish())).toMatchObject({ code: 'UNAVAILABLE' })
    await writer.abort()
    expect(everythingOn(server)).toEqual([])
  })

  it('ends at once when the run is stopped', async () => {
    const stop = new AbortController()
    const delivery = await open('run_1', { signal: stop.signal })
    const writer = await delivery.openPart('a.csv')
    server.faults.add('UploadPart', { first: () => stop.abort(new Error('cancelled')) }, Infinity)
    await writer.write(hello)
    expect((await thrownBy(writer.finish())).message).toBe('cancelled')
    await writer.abort()
    expect(everythingOn(server)).toEqual([])
  })

  it('of a store that nobody runs is UNAVAILABLE', async () => {
    const account = accountFor(server)
    await server.close()
    const delivery = await openDelivery(driver, account, { runId: 'run_1', fence: 1 })
    expect(await thrownBy(delivery.exists('a.csv'))).toMatchObject({ code: 'UNAVAILABLE', retryable: true })
    server = await s3Server()
  })
})

describe('publishing', () => {
  it.each([1, 3, 4])('finds its own object after %d lost answers', async (times) => {
    const delivery = await open()
    const part = await write(delivery, 'a.csv', hello)
    server.faults.add('CompleteMultipartUpload', { loseAnswer: true }, times)
    await delivery.publish(part, keep)
    expect(everythingOn(server)).toEqual(['out/a.csv'])
    expect(await delivery.publish(part, keep)).toBe('s3://bucket/out/a.csv')
  })

  it('never overwrites what somebody else put there in the last moment', async () => {
    const delivery = await open()
    const part = await write(delivery, 'a.csv', hello)
    server.faults.add('CompleteMultipartUpload', { first: () => put('out/a.csv', 'theirs') })
    expect(await thrownBy(delivery.publish(part, keep))).toMatchObject({ code: 'NAME_TAKEN' })
    expect(visible()).toEqual({ 'a.csv': 'theirs' })
    await delivery.publish(part, { replace: true })
    expect(visible()).toEqual({ 'a.csv': 'hello' })
  })

  it('does not take an object of another run for its own, of the same size or not', async () => {
    const other = await open('run_2')
    await other.publish(await write(other, 'a.csv', hello), keep)
    const delivery = await open()
    const part = await write(delivery, 'a.csv', hello)
    expect(await thrownBy(delivery.publish(part, keep))).toMatchObject({ code: 'NAME_TAKEN' })
  })

  it('while another request is in its way is tried again', async () => {
    const delivery = await open()
    const part = await write(delivery, 'a.csv', hello)
    server.faults.add('CompleteMultipartUpload', { status: 409, code: 'ConditionalRequestConflict' })
    expect(await thrownBy(delivery.publish(part, keep))).toMatchObject({
      code: 'UNAVAILABLE',
      retryable: true,
    })
    await delivery.publish(part, keep)
    expect(visible()).toEqual({ 'a.csv': 'hello' })
  })

  it('does without the condition where the store has none', async () => {
    const delivery = await open()
    const part = await write(delivery, 'a.csv', hello)
    server.faults.add('CompleteMultipartUpload', { status: 501, code: 'NotImplemented' })
    await delivery.publish(part, keep)
    expect(visible()).toEqual({ 'a.csv': 'hello' })
  })

  it('says when the finished upload has disappeared', async () => {
    const delivery = await open()
    const part = await write(delivery, 'a.csv', hello)
    server.uploads.length = 0
    const error = await thrownBy(delivery.publish(part, keep))
    expect(error).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('disappeared') })
  })
})

describe('the object', () => {
  it.each([
    [{ serverSideEncryption: 'AES256' }, { '': 'AES256' }],
    [
      { serverSideEncryption: 'aws:kms', kmsKeyId: 'alias/export' },
      { '': 'aws:kms', '-aws-kms-key-id': 'alias/export' },
    ],
    [{}, {}],
  ])('with %j is encrypted as asked, and so is the manifest', async (settings, expected) => {
    const delivery = await open('run_1', { settings })
    await delivery.publish(await write(delivery, 'a.csv', hello), keep)
    await delivery.putFile('a.csv.manifest.json', hello)
    const objects = [...(server.buckets.get('bucket')?.values() ?? [])]
    expect(objects.map(({ encryption }) => encryption)).toEqual([expected, expected])
    expect(objects.map(({ metadata }) => metadata.run)).toEqual(['run_1', 'run_1'])
  })

  it('has a checksum of every piece with the store when asked to', async () => {
    const delivery = await open('run_1', { settings: { checksum: 'SHA256' } })
    const part = await write(delivery, 'a.csv', Buffer.alloc(20 * MIB, 'a line\n'))
    expect(server.uploads.map(({ isChecked }) => isChecked)).toEqual([true])
    await delivery.publish(part, keep)
    const plain = await open('run_1')
    await write(plain, 'b.csv', hello)
    expect(server.uploads.map(({ isChecked }) => isChecked)).toEqual([false])
  })
})

describe('a login', () => {
  const login = (account = accountFor(server)) => driver.account?.verify(account, AbortSignal.timeout(10_000))

  it('tells the buckets, and changes nothing', async () => {
    server.buckets.set('other', new Map())
    expect(await login()).toEqual({ buckets: ['bucket', 'other'] })
    expect(server.requests.map(({ operation }) => operation)).toEqual(['ListBuckets'])
  })

  it('with keys that may not list is good all the same', async () => {
    server.faults.add('ListBuckets', { status: 403, code: 'AccessDenied' })
    expect(await login()).toEqual({ buckets: null })
  })

  it.each([
    ['secretAccessKey', 'SignatureDoesNotMatch'],
    ['accessKeyId', 'InvalidAccessKeyId'],
  ])('with a wrong %s is refused', async (name, code) => {
    const account = accountFor(server)
    const secrets = { ...account.secrets, [name]: 'wrong' }
    const error = await thrownBy(Promise.resolve(login({ ...account, secrets })))
    expect(error).toMatchObject({ code: 'REFUSED_LOGIN', message: expect.stringContaining(code) })
  })

  it('with temporary keys sends their token', async () => {
    server.keys.sessionToken = 'a-token'
    const account = accountFor(server)
    await expect(login(account)).rejects.toMatchObject({ code: 'REFUSED_LOGIN' })
    const secrets = { ...account.secrets, sessionToken: 'a-token' }
    expect(await login({ ...account, secrets })).toEqual({ buckets: ['bucket'] })
  })

  it('in another region than the buckets says which', async () => {
    const account = accountFor(server)
    const settings = { ...account.settings, region: 'us-east-1' }
    const error = await thrownBy(Promise.resolve(login({ ...account, settings })))
    expect(error).toMatchObject({ code: 'BAD_SETTINGS', message: expect.stringContaining('eu-central-1') })
  })

  it('at what is no store says so', async () => {
    const page = http.createServer((_, response) => response.end('<html>Hello</html>'))
    await new Promise<void>((resolve) => page.listen(0, '127.0.0.1', resolve))
    const { port } = page.address() as { port: number }
    const account = accountFor({ ...server, url: `http://127.0.0.1:${port}` })
    await expect(login(account)).rejects.toMatchObject({ code: 'BAD_SETTINGS' })
    await new Promise((resolve) => page.close(resolve))
  })

  it('is sent nowhere by a redirect', async () => {
    const headers = { location: 'http://127.0.0.1:1/elsewhere', 'x-amz-bucket-region': 'us-west-2' }
    server.faults.add('ListObjectsV2', { status: 307, code: 'TemporaryRedirect', headers })
    await expect((await open()).exists('a.csv')).rejects.toMatchObject({ code: 'BAD_SETTINGS' })
    expect(server.requests).toHaveLength(1)
  })

  it('to an address that may not be reached is refused', async () => {
    const strict = s3({ outbound: createOutbound({ allow: [] }) })
    const verify = strict.account?.verify(accountFor(server), AbortSignal.timeout(10_000))
    await expect(verify).rejects.toMatchObject({ code: 'REFUSED_ADDRESS' })
    expect(server.requests).toEqual([])
  })

  it('takes nothing from the environment or from files of the user', async () => {
    const home = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-home-'))
    fs.mkdirSync(path.join(home, '.aws'))
    const wrong =
      'region = us-west-2\naws_access_key_id = A\naws_secret_access_key = B\nendpoint_url = http://127.0.0.1:1\n'
    for (const file of ['config', 'credentials'])
      fs.writeFileSync(path.join(home, '.aws', file), `[default]\n${wrong}`)
    const environment = {
      HOME: home,
      AWS_ENDPOINT_URL: 'http://127.0.0.1:1',
      AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1',
      AWS_ACCESS_KEY_ID: 'A',
      AWS_SECRET_ACCESS_KEY: 'B',
      AWS_SESSION_TOKEN: 'C',
      AWS_REGION: 'us-west-2',
      AWS_PROFILE: 'default',
      AWS_USE_FIPS_ENDPOINT: 'true',
      AWS_USE_DUALSTACK_ENDPOINT: 'true',
      AWS_REQUEST_CHECKSUM_CALCULATION: 'WHEN_SUPPORTED',
      AWS_MAX_ATTEMPTS: '9',
      AWS_DEFAULTS_MODE: 'auto',
    }
    for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value)
    expect(await login()).toEqual({ buckets: ['bucket'] })
    const delivery = await open()
    await delivery.publish(await write(delivery, 'a.csv', hello), keep)
    expect(visible()).toEqual({ 'a.csv': 'hello' })

    const asked: string[] = []
    const outbound = createOutbound({
      allow: [],
      lookup: async (name) => {
        asked.push(name)
        return []
      },
    })
    const { secrets } = accountFor(server)
    const amazon = { settings: { region: 'eu-west-3' }, secrets, details: null }
    const target = { runId: 'run_1', fence: 1, settings: { bucket: 'some-bucket' } }
    await thrownBy((await openDelivery(s3({ outbound }), amazon, target)).exists('a.csv'))
    expect(new Set(asked)).toEqual(new Set(['some-bucket.s3.eu-west-3.amazonaws.com']))
    fs.rmSync(home, { recursive: true })
  })
})
