import { describe, expect, it } from 'vitest'
import { gcs } from '../../src/destinations/gcs/driver.ts'
import { createOutbound } from '../../src/destinations/outbound.ts'
import { s3 } from '../../src/destinations/s3/driver.ts'

const outbound = createOutbound({ allow: [] })
const { settings, account } = s3({ outbound })
const takes = (value: unknown) => settings.safeParse(value).success
const takesLogin = (value: unknown) => account?.settings.safeParse(value).success

describe('the settings of a bucket', () => {
  it.each(['abc', 'my-bucket.example', 'a'.repeat(63), '0-9'])('take the bucket %j', (bucket) => {
    expect(takes({ bucket })).toBe(true)
    expect(gcs({ outbound }).settings.safeParse({ bucket }).success).toBe(true)
  })
  it.each([
    'ab',
    'a'.repeat(64),
    'My',
    'a_b',
    '-abc',
    'abc-',
    'a..b',
    'a.-b',
    '10.0.0.1',
    'xn--abc',
    'a/b',
    '',
  ])('do not take the bucket %j', (bucket) => {
    expect(takes({ bucket })).toBe(false)
  })
  it.each(['..', '/a', 'a/../b', 'a//b', 'a\\b', 'a\0', './a', 'a'.repeat(513)])(
    'do not take the path %j',
    (path) => {
      expect(takes({ bucket: 'bucket', path })).toBe(false)
    },
  )
  it('are stored in one form', () => {
    expect(settings.parse({ bucket: 'bucket', path: 'a/b/' })).toEqual({ bucket: 'bucket', path: 'a/b' })
    expect(settings.parse({ bucket: 'bucket', path: '.' })).toEqual({ bucket: 'bucket', path: '' })
    expect(settings.parse({ bucket: 'bucket' })).toEqual({ bucket: 'bucket', path: '' })
  })
  it('know how to encrypt', () => {
    const bucket = 'bucket'
    expect(takes({ bucket, serverSideEncryption: 'AES256' })).toBe(true)
    expect(takes({ bucket, serverSideEncryption: 'aws:kms' })).toBe(true)
    expect(
      takes({ bucket, serverSideEncryption: 'aws:kms', kmsKeyId: 'arn:aws:kms:eu-west-1:1:key/a-b' }),
    ).toBe(true)
    expect(takes({ bucket, serverSideEncryption: 'AES256', kmsKeyId: 'key' })).toBe(false)
    expect(takes({ bucket, kmsKeyId: 'key' })).toBe(false)
    expect(takes({ bucket, serverSideEncryption: 'rot13' })).toBe(false)
    expect(takes({ bucket, somethingElse: 1 })).toBe(false)
  })
})

describe('the settings of a login', () => {
  const region = 'eu-central-1'
  it.each(['https://minio.example.com', 'https://minio.example.com/', 'https://a.r2.cloudflarestorage.com'])(
    'take the endpoint %j',
    (endpoint) => expect(takesLogin({ region, endpoint })).toBe(true),
  )
  it.each([
    'http://minio.example.com',
    'https://169.254.169.254',
    'https://127.1',
    'https://0x7f000001',
    'https://[::ffff:10.0.0.1]',
    'https://localhost:9000',
    'https://user:password@minio.example.com',
    'https://minio.example.com/bucket',
    'https://minio.example.com?x=1',
    'ftp://minio.example.com',
    'minio.example.com',
    '',
  ])('do not take the endpoint %j', (endpoint) => expect(takesLogin({ region, endpoint })).toBe(false))
  it('need a region', () => {
    expect(takesLogin({ region })).toBe(true)
    expect(takesLogin({ region: 'evil.example.com/' })).toBe(false)
    expect(takesLogin({})).toBe(false)
  })
  it.each([
    ['AKIAIOSFODNN7EXAMPLE', 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'],
    ['minioadmin', 'minioadmin'],
    ['test:tester', 'testing'],
  ])('take keys of any shape: %j', (accessKeyId, secretAccessKey) => {
    expect(account?.secrets.safeParse({ accessKeyId, secretAccessKey }).success).toBe(true)
    expect(account?.secrets.safeParse({ accessKeyId, secretAccessKey: `${secretAccessKey}\n` }).success).toBe(
      false,
    )
    expect(account?.secrets.safeParse({ accessKeyId }).success).toBe(false)
  })
})
