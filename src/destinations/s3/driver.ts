import { z } from 'zod'
import type { Driver } from '../driver.ts'
import type { Outbound } from '../outbound.ts'
import { bucketSchema, endpointSchema, keySchema, pathSchema } from '../s3-settings.ts'

/** Loaded when it is first used: the library behind it is large. */
const store = () => import('./store.ts')

/** Amazon S3, and every store that speaks its protocol: MinIO, R2, Ceph, Swift and others, by their endpoint. */
export function s3({ outbound }: { outbound: Outbound }): Driver {
  return {
    type: 'S3',
    title: 'Amazon S3 or compatible',
    delivery: 'FILE',
    allowsAdHoc: true,
    account: {
      settings: accountSettings(outbound),
      secrets,
      verify: async (account, signal) => (await store()).verify(account, outbound, signal),
    },
    settings,
    fields: [],
    deliverFiles: async (target) => (await store()).deliver(target, outbound),
  }
}

const secrets = z.strictObject({
  accessKeyId: keySchema.meta({
    title: 'Access key id',
    description: 'Of a user that may do no more than it must.',
    examples: ['AKIAIOSFODNN7EXAMPLE'],
  }),
  secretAccessKey: keySchema.meta({
    title: 'Secret access key',
    description: 'The secret that belongs to the access key id.',
    examples: ['wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'],
  }),
  sessionToken: z
    .string()
    .regex(/^[\x21-\x7e]{1,8192}$/, 'sessionToken has no white space, and at most 8,192 characters.')
    .meta({ title: 'Session token', description: 'Only with temporary keys, which end by themselves.' })
    .optional(),
})

function accountSettings(outbound: Outbound) {
  return z.strictObject({
    region: z
      .string()
      .regex(/^[a-zA-Z0-9-]{1,50}$/, 'region is the code of a region, e.g. eu-central-1.')
      .meta({
        title: 'Region',
        description:
          'The region of the buckets; where the store has none, what it names instead, such as auto.',
        examples: ['eu-central-1'],
      }),
    endpoint: endpointSchema(outbound)
      .meta({
        title: 'Endpoint',
        description: 'Where the store is; absent for Amazon.',
        examples: ['https://minio.example.com'],
      })
      .optional(),
    forcePathStyle: z
      .boolean()
      .meta({
        title: 'Path style',
        description:
          'Whether the bucket is named in the path; if absent, it is with an endpoint of your own.',
      })
      .optional(),
  })
}

export type S3Settings = z.output<typeof settings>
const settings = z
  .strictObject({
    bucket: bucketSchema,
    path: pathSchema,
    serverSideEncryption: z
      .enum(['AES256', 'aws:kms'])
      .meta({
        title: 'Server-side encryption',
        description: 'How the store encrypts what it keeps; absent: as the bucket says.',
      })
      .optional(),
    kmsKeyId: z
      .string()
      .regex(/^[\w:/-]{1,2048}$/, 'kmsKeyId is the id or ARN of a key.')
      .meta({ title: 'KMS key', description: 'The key of aws:kms; absent: the one of the account.' })
      .optional(),
    checksum: z
      .enum(['SHA256', 'NONE'])
      .meta({
        title: 'Checksum',
        description: 'Whether the store keeps one with each file; if absent, Amazon does and others do not.',
      })
      .optional(),
  })
  .refine(({ kmsKeyId, serverSideEncryption }) => !kmsKeyId || serverSideEncryption === 'aws:kms', {
    path: ['kmsKeyId'],
    message: 'kmsKeyId goes with the serverSideEncryption aws:kms.',
  })
