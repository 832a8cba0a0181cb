import { z } from 'zod'
import type { Driver } from '../driver.ts'
import type { Outbound } from '../outbound.ts'
import { bucketSchema, endpointSchema, keySchema, pathSchema } from '../s3-settings.ts'

/** Loaded when it is first used: the library behind it is large. */
const store = () => import('./store.ts')

/**
 * Google Cloud Storage, over its XML API with HMAC keys: that one knows multipart uploads, whose pieces are safe with
 * the store and nobody's file until they are completed. Google's own library has resumable uploads instead, which
 * become a file as soon as their last byte is there, and brings many packages.
 */
export function gcs({ outbound }: { outbound: Outbound }): Driver {
  return {
    type: 'GCS',
    title: 'Google Cloud Storage',
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

export type GcsAccountSettings = z.output<ReturnType<typeof accountSettings>>
export type GcsSecrets = z.output<typeof secrets>
export type GcsSettings = z.output<typeof settings>

function accountSettings(outbound: Outbound) {
  return z.strictObject({
    projectId: z
      .string()
      .regex(
        /^([a-z][a-z0-9-]{4,28}[a-z0-9]|[0-9]{1,20})$/,
        'projectId is the id or the number of a project.',
      )
      .meta({
        title: 'Project',
        description: 'The project whose buckets a login lists; absent: the one of the key.',
        examples: ['acme-marketing'],
      })
      .optional(),
    endpoint: endpointSchema(outbound)
      .meta({
        title: 'Endpoint',
        description: 'Of a region, or of a private connection to Google; absent: the one for everybody.',
        examples: ['https://storage.europe-west3.rep.googleapis.com'],
      })
      .optional(),
  })
}
const secrets = z.strictObject({
  accessKeyId: keySchema.meta({
    title: 'Access id',
    description: 'The access id of an HMAC key, best of a service account.',
    examples: ['GOOG1EXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLE'],
  }),
  secretAccessKey: keySchema.meta({
    title: 'Secret',
    description: 'The secret of the HMAC key.',
    examples: ['bGoa+V7g/yqDXvKRqq+JTFn4uQZbPiQJo4pf9RzJ'],
  }),
})
const settings = z.strictObject({ bucket: bucketSchema, path: pathSchema })
