import { ListBucketsCommand, type S3Client } from '@aws-sdk/client-s3'
import { type AccountDetails, DeliveryError } from './driver.ts'
import { isRefused, request } from './s3-errors.ts'

const MOST_BUCKETS = 1_000

/**
 * Logs in by asking which buckets there are. Keys that may not ask are good all the same: a store checks who asks before
 * it looks whether that one may.
 * @throws DeliveryError
 */
export async function logIn(client: S3Client, signal: AbortSignal): Promise<AccountDetails> {
  const command = new ListBucketsCommand({})
  try {
    const { Buckets, Owner } = await request(() => client.send(command, { abortSignal: signal }), signal)
    if (!Buckets && !Owner) {
      const message = 'What answers there is no store that speaks the S3 protocol. Check the endpoint.'
      throw new DeliveryError('BAD_SETTINGS', message, { retryable: false })
    }
    const names = (Buckets ?? []).flatMap(({ Name }) => (Name ? [Name] : []))
    return { buckets: names.slice(0, MOST_BUCKETS) }
  } catch (error) {
    if (isRefused(error, 'AccessDenied')) return { buckets: null }
    throw error
  }
}
