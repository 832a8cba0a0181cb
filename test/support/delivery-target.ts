import type { DeliveryTarget } from '../../src/destinations/driver.ts'
import { silent } from './database.ts'

/** What a run hands to a driver, for tests that call the driver themselves. */
export function deliveryTarget(
  given: Partial<DeliveryTarget> & Pick<DeliveryTarget, 'runId' | 'fence' | 'settings'>,
): DeliveryTarget {
  const signal = new AbortController().signal
  return { account: null, fields: [], pace: async () => {}, signal, log: silent, ...given }
}
