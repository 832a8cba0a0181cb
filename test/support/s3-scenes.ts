// How tests open the S3 driver's deliveries, whatever the server behind the address is.
import { createHash } from 'node:crypto'
import type { DeliveryTarget, Driver, FileDelivery, OpenAccount } from '../../src/destinations/driver.ts'
import type { FinishedPart } from '../../src/domain/model.ts'
import { deliveryTarget } from './delivery-target.ts'
import type { S3Server } from './s3-server/server.ts'

export interface S3Place {
  url: string
  keys: { region: string; accessKeyId: string; secretAccessKey: string }
}

/** The account that the server's keys make. */
export function accountFor({ url, keys }: S3Place): OpenAccount {
  const { region, accessKeyId, secretAccessKey } = keys
  return { settings: { region, endpoint: url }, secrets: { accessKeyId, secretAccessKey }, details: null }
}

/** A delivery into the folder `out`. */
export function openDelivery(
  driver: Driver,
  account: OpenAccount,
  target: Partial<DeliveryTarget> & Pick<DeliveryTarget, 'runId' | 'fence'>,
) {
  const settings = driver.settings.parse({ bucket: 'bucket', path: 'out', ...target.settings })
  const delivery = driver.deliverFiles?.(deliveryTarget({ ...target, settings, account }))
  if (!delivery) throw new Error('it delivers files')
  return delivery
}

/** What can be seen in the folder `out`, by name. */
export function asTexts(objects: Record<string, Buffer>): Record<string, string> {
  const entries = Object.entries(objects).map(([key, body]) => [key.replace(/^out\//, ''), `${body}`])
  return Object.fromEntries(entries)
}
export function objectsOf({ buckets }: S3Server): Record<string, Buffer> {
  return Object.fromEntries([...(buckets.get('bucket') ?? [])].map(([key, { body }]) => [key, body]))
}
/** Objects and unfinished uploads. */
export const everythingOn = (server: S3Server) => [
  ...Object.keys(objectsOf(server)),
  ...server.uploads.map(({ key, id }) => `${key} ${id}`),
]

export async function write(
  delivery: FileDelivery,
  name: string,
  bytes: Buffer,
  step = 256 * 1024,
): Promise<FinishedPart> {
  const writer = await delivery.openPart(name)
  for (let at = 0; at < bytes.length; at += step) {
    const chunk = Buffer.from(bytes.subarray(at, at + step))
    await writer.write(chunk)
    chunk.fill(0) // its memory is used again
  }
  const receipt = (await writer.finish()) ?? {}
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  return { part: 1, fence: 1, name, rows: 1, bytes: bytes.length, sha256, receipt }
}
