import { activationStore } from '../storage/activation.ts'
import type { Database } from '../storage/database.ts'
import { dataflowStore } from '../storage/dataflow.ts'
import { destinationStore } from '../storage/destination.ts'
import { destinationAccountStore } from '../storage/destination-account.ts'
import { notificationTargetStore } from '../storage/notification-target.ts'
import { rejectionStore } from '../storage/rejection.ts'
import { runStore } from '../storage/run.ts'
import { segmentStore } from '../storage/segment.ts'
import { segmentMappingStore } from '../storage/segment-mapping.ts'
import { segmentationJobStore } from '../storage/segmentation-job.ts'
import { snapshotStore } from '../storage/snapshot.ts'
import { tokenStore } from '../storage/token.ts'

export type Stores = ReturnType<typeof createStores>

/** Every store that the API reads. */
export function createStores(database: Database) {
  return {
    activation: activationStore(database),
    dataflow: dataflowStore(database),
    destination: destinationStore(database),
    destinationAccount: destinationAccountStore(database),
    notificationTarget: notificationTargetStore(database),
    rejection: rejectionStore(database),
    run: runStore(database),
    segment: segmentStore(database),
    segmentMapping: segmentMappingStore(database),
    segmentationJob: segmentationJobStore(database),
    snapshot: snapshotStore(database),
    token: tokenStore(database),
  }
}
