import { activeCampaign } from './activecampaign/driver.ts'
import { azureBlob } from './azure-blob/driver.ts'
import type { Driver } from './driver.ts'
import { gcs } from './gcs/driver.ts'
import { localDirectory } from './local-directory/driver.ts'
import type { Outbound } from './outbound.ts'
import { s3 } from './s3/driver.ts'
import { sftp } from './sftp/driver.ts'
import { webhook } from './webhook/driver.ts'

export interface DriverRegistry {
  list(): Driver[]
  find(type: string): Driver | undefined
}

/** Every kind of destination, listed by hand: one line per driver. */
export function driverRegistry(
  options: { exportRoot: string; outbound: Outbound },
  extra: Driver[] = [],
): DriverRegistry {
  const drivers = [
    localDirectory(options),
    s3(options),
    gcs(options),
    sftp(options),
    azureBlob(options),
    activeCampaign(options),
    webhook(options),
    ...extra,
  ]
  const byType = new Map(drivers.map((driver) => [driver.type, driver]))
  return { list: () => drivers, find: (type) => byType.get(type) }
}
