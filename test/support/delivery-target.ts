import type { DeliveryTarget } from '../../src/destinations/driver.ts'
import { silent } from './database.ts'

/** What a run hands to a driver, for tests that call the driver themselves. */
export function deliveryTarget(
  given: Partial<DeliveryTarget> & Pick<DeliveryTarget, 'runId' | 'fence' | 'settings'>,
): DeliveryTarget {
  const signal = new AbortController().signal
  return {
    createdAt: new Date('2026-01-02T03:04:05.678Z'),
    segment: { id: 'seg_1', name: 'Buyers' },
    account: null,
    fields: [],
    pace: async () => {},
    signal,
    log: silent,
    ...given,
  }
}
