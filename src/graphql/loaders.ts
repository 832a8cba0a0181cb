// Batch loaders: however many objects ask for a row in one tick, it is one statement.
import DataLoader from 'dataloader'
import { isAllowed, type Session, visibleDestinations } from '../domain/access.ts'
import { plausibleIds } from '../storage/filter.ts'
import { latestRunsOf } from '../storage/latest-run.ts'
import { activeSchedulesOf } from '../storage/schedule.ts'
import type { ApiParts } from './context.ts'
import type { Stores } from './stores.ts'

export type Loaders = ReturnType<typeof createLoaders>

/**
 * Loaders of one operation, and the one gate for single objects: what is in another sandbox, or is not for a partner,
 * loads as null, as what never was.
 */
export function createLoaders(stores: Stores, parts: ApiParts, session: Session) {
  const sandboxId = session.sandbox.id
  const visible = visibleDestinations(session)
  /** Of what only some may see at all. */
  const byIdIf = <Row extends { id: string }>(may: boolean, fetch: (ids: string[]) => Promise<Row[]>) =>
    byId(may ? fetch : async () => [])
  const mayReadAll = isAllowed(session, 'metadata:read') && visible === null
  return {
    dataflow: byId((ids) => stores.dataflow.byIds(sandboxId, ids, visible)),
    destination: byId((ids) => stores.destination.byIds(sandboxId, ids, visible)),
    run: byId((ids) => stores.run.byIds(sandboxId, ids, visible)),
    segment: byId((ids) => stores.segment.byIds(sandboxId, ids, visible)),
    segmentMapping: byId((ids) => stores.segmentMapping.byIds(sandboxId, ids, visible)),
    sandbox: byId((ids) => parts.services.sandbox.byIds(session, ids)),
    activation: byIdIf(mayReadAll, (ids) => stores.activation.byIds(sandboxId, ids)),
    destinationAccount: byIdIf(mayReadAll, (ids) => stores.destinationAccount.byIds(sandboxId, ids)),
    segmentationJob: byIdIf(mayReadAll, (ids) => stores.segmentationJob.byIds(sandboxId, ids)),
    snapshot: byIdIf(mayReadAll, (ids) => stores.snapshot.byIds(sandboxId, ids)),
    apiToken: byIdIf(isAllowed(session, 'tokens:write'), (ids) => stores.token.byIds(sandboxId, ids)),
    runsOfActivation: groupedBy(
      (ids) => stores.activation.runsOf(sandboxId, ids),
      (row) => row.activationId,
    ),
    runsOfMapping: groupedBy(
      (ids) => latestRunsOf(parts.database, sandboxId, ids),
      (row) => row.mappingId,
    ),
    schedulesOfDataflow: groupedBy(
      (ids) => activeSchedulesOf(parts.database, sandboxId, ids),
      (row) => row.dataflowId,
    ),
    runFiles: groupedBy(
      (ids) => stores.run.filesOf(ids),
      (row) => row.runId,
    ),
  }
}

const MAX_BATCH = 500

/**
 * Batches, but does not remember: within one operation a mutation may change a row,
 * and a subscription lives long. Equal ids in one batch are asked for once.
 */
function byId<Row extends { id: string }>(fetch: (ids: string[]) => Promise<Row[]>) {
  return new DataLoader<string, Row | null>(
    async (ids) => {
      const rows = await fetch(plausibleIds([...new Set(ids)]))
      const found = new Map(rows.map((row) => [row.id, row]))
      return ids.map((id) => found.get(id) ?? null)
    },
    { cache: false, maxBatchSize: MAX_BATCH },
  )
}

function groupedBy<Row>(fetch: (ids: string[]) => Promise<Row[]>, parentOf: (row: Row) => string | null) {
  return new DataLoader<string, Row[]>(
    async (ids) => {
      const groups = Map.groupBy(await fetch([...new Set(ids)]), parentOf)
      return ids.map((id) => groups.get(id) ?? [])
    },
    { cache: false, maxBatchSize: MAX_BATCH },
  )
}
