// What is set for a destination in an object store that speaks the S3 protocol: which bucket, and where in it.
import { z } from 'zod'
import { isConfined } from './confined-path.ts'
import type { Outbound } from './outbound.ts'

/** A key may have 1,024 bytes; the rest is for the file's name with its folders. */
const MAX_PATH_BYTES = 512

export const bucketSchema = z
  .string()
  .regex(
    /^(?!xn--|\d+\.\d+\.\d+\.\d+$)[a-z0-9](?!.*(\.\.|\.-|-\.))[a-z0-9.-]{1,61}[a-z0-9]$/,
    'bucket is the name of a bucket: 3 to 63 small letters, digits, dots and hyphens.',
  )
  .meta({
    title: 'Bucket',
    description: 'The bucket that files are written to. It must exist.',
    examples: ['acme-audiences'],
  })

export const pathSchema = z
  .string()
  .refine((path) => Buffer.byteLength(path) <= MAX_PATH_BYTES, 'path is at most 512 bytes long.')
  .transform((path) => path.replace(/\/+$/, ''))
  .refine(
    isConfined,
    'path is a folder in the bucket, e.g. "sales/daily": no "..", no leading "/", no backslash.',
  )
  .transform((path) => (path === '.' ? '' : path))
  .default('')
  .meta({
    title: 'Folder',
    description: 'The folder of the files in the bucket; empty for the bucket itself.',
    examples: ['sales/daily'],
  })

/** Amazon's keys have 20 and 40 characters; other stores' have other shapes. */
export const keySchema = z
  .string()
  .regex(/^[\x21-\x7e]{1,256}$/, 'A key has no white space, and at most 256 characters.')

const ENDPOINT =
  'endpoint is an address such as https://minio.example.com:9000, with no path and no name or password in it.'

/** Where a store is that has an address of its own. */
export function endpointSchema(outbound: Outbound) {
  return z.url({ abort: true, error: ENDPOINT }).check((ctx) => {
    const refusal = refusalOf(ctx.value, outbound)
    if (refusal) ctx.issues.push({ code: 'custom', message: refusal, input: ctx.value })
  })
}

function refusalOf(endpoint: string, outbound: Outbound): string | null {
  const { protocol, pathname, search, hash, username, password } = new URL(endpoint)
  if (!/^https?:$/.test(protocol) || username || password || search || hash || pathname !== '/') {
    return ENDPOINT
  }
  return outbound.refusalOf(endpoint)
}
