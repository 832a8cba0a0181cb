// What a GCS destination does once its library is loaded.
import type { AccountDetails, DeliveryTarget, FileDelivery, OpenAccount } from '../driver.ts'
import type { Outbound } from '../outbound.ts'
import { s3Client } from '../s3-client.ts'
import { s3Delivery } from '../s3-delivery.ts'
import { logIn } from '../s3-login.ts'
import type { GcsAccountSettings, GcsSecrets, GcsSettings } from './driver.ts'
import { googleSigner } from './signer.ts'

const EVERYBODYS = 'https://storage.googleapis.com'

/** @throws DeliveryError */
export function verify(
  account: OpenAccount,
  outbound: Outbound,
  signal: AbortSignal,
): Promise<AccountDetails> {
  return logIn(clientFor(account, outbound), signal)
}

function clientFor(account: OpenAccount, outbound: Outbound) {
  const keys = account.secrets as GcsSecrets
  const { projectId, endpoint = EVERYBODYS } = account.settings as GcsAccountSettings
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

/** @throws DeliveryError */
export function deliver(target: DeliveryTarget, outbound: Outbound): FileDelivery {
  const { account } = target
  if (!account) throw new Error('a GCS destination is delivered to with an account')
  const { bucket, path } = target.settings as GcsSettings
  const client = clientFor(account, outbound)
  return s3Delivery({ client, bucket, path, scheme: 'gs', encryption: {}, isChecked: false }, target)
}
