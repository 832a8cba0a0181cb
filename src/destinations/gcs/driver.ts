import { z } from 'zod'
import type { DeliveryTarget, Driver, OpenAccount } from '../driver.ts'
import type { Outbound } from '../outbound.ts'
import { s3Client } from '../s3-client.ts'
import { s3Delivery } from '../s3-delivery.ts'
import { logIn } from '../s3-login.ts'
import { bucketSchema, keySchema, pathSchema } from '../s3-settings.ts'
import { googleSigner } from './signer.ts'

interface GcsOptions {
  outbound: Outbound
  /** Of a stand-in. */
  endpoint?: string
}

/**
 * Google Cloud Storage, over its XML API with HMAC keys: that one knows multipart uploads, whose pieces are safe with
 * the store and nobody's file until they are completed. Google's own library has resumable uploads instead, which
 * become a file as soon as their last byte is there, and brings many packages.
 */
export function gcs(options: GcsOptions): Driver {
  return {
    type: 'GCS',
    title: 'Google Cloud Storage',
    delivery: 'FILE',
    allowsAdHoc: true,
    account: {
      settings: accountSettings,
      secrets,
      verify: (account, signal) => logIn(clientFor(account, options), signal),
    },
    settings,
    fields: [],
    deliverFiles: async (target) => delivery(target, options),
  }
}

const accountSettings = z.strictObject({
  projectId: z
    .string()
    .regex(/^([a-z][a-z0-9-]{4,28}[a-z0-9]|[0-9]{1,20})$/, 'projectId is the id or the number of a project.')
    .meta({
      title: 'Project',
      description: 'The project whose buckets a login lists; absent: the one of the key.',
      examples: ['acme-marketing'],
    })
    .optional(),
})
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

function clientFor(
  account: OpenAccount,
  { outbound, endpoint = 'https://storage.googleapis.com' }: GcsOptions,
) {
  const keys = account.secrets as z.output<typeof secrets>
  const { projectId } = account.settings as z.output<typeof accountSettings>
  const signer = googleSigner(keys, projectId ? { 'x-goog-project-id': projectId } : {})
  const login = { region: 'auto', endpoint, forcePathStyle: true, ...keys }
  const client = s3Client(login, outbound, { signer })
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args)
      const { headers } = result.response as { headers: Record<string, string> }
      for (const [name, value] of Object.entries(headers)) {
        if (name.startsWith('x-goog-meta-')) headers[name.replace('x-goog-', 'x-amz-')] = value
      }
      return result
    },
    { step: 'deserialize', priority: 'low', name: 'googleMetadata' },
  )
  return client
}

function delivery(target: DeliveryTarget, options: GcsOptions) {
  const { account } = target
  if (!account) throw new Error('a GCS destination is delivered to with an account')
  const { bucket, path } = target.settings as z.output<typeof settings>
  const client = clientFor(account, options)
  return s3Delivery({ client, bucket, path, scheme: 'gs', encryption: {}, isChecked: false }, target)
}
