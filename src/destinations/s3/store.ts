// What an S3 destination does once its library is loaded.
import type { AccountDetails, DeliveryTarget, FileDelivery, OpenAccount } from '../driver.ts'
import type { Outbound } from '../outbound.ts'
import { type S3Login, s3Client } from '../s3-client.ts'
import { s3Delivery } from '../s3-delivery.ts'
import { logIn } from '../s3-login.ts'
import type { S3Settings } from './driver.ts'

/** @throws DeliveryError */
export function verify(
  account: OpenAccount,
  outbound: Outbound,
  signal: AbortSignal,
): Promise<AccountDetails> {
  return logIn(clientFor(account, outbound), signal)
}

function clientFor(account: OpenAccount, outbound: Outbound) {
  const { region, endpoint = null, ...rest } = account.settings as Partial<S3Login> & { region: string }
  const { forcePathStyle = endpoint !== null } = rest
  const keys = account.secrets as Pick<S3Login, 'accessKeyId' | 'secretAccessKey' | 'sessionToken'>
  return s3Client({ region, endpoint, forcePathStyle, ...keys }, outbound)
}

/** @throws DeliveryError */
export function deliver(target: DeliveryTarget, outbound: Outbound): FileDelivery {
  const { account } = target
  if (!account) throw new Error('an S3 destination is delivered to with an account')
  const { bucket, path, serverSideEncryption, kmsKeyId, checksum } = target.settings as S3Settings // parsed by the driver's schema
  const isChecked = checksum ? checksum === 'SHA256' : account.settings.endpoint === undefined
  const encryption = {
    ...(serverSideEncryption && { ServerSideEncryption: serverSideEncryption }),
    ...(kmsKeyId && { SSEKMSKeyId: kmsKeyId }),
  }
  const client = clientFor(account, outbound)
  return s3Delivery({ client, bucket, path, scheme: 's3', encryption, isChecked }, target)
}
