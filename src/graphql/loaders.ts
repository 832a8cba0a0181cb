// Batch loaders: however many objects ask for a row in one tick, it is one statement.
import DataLoader from 'dataloader'
import { isAllowed, type Session, visibleDestinations } from '../domain/access.ts'
import { MISSED_FOR_MS } from '../domain/health.ts'
import { dataflowStandings } from '../storage/dataflow-standing.ts'
import { latestRunsOf } from '../storage/latest-run.ts'
import type { Selection } from '../storage/read.ts'
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
    dataflow: byId((ids, only) => stores.dataflow.byIds(sandboxId, ids, visible, only)),
    destination: byId((ids, only) => stores.destination.byIds(sandboxId, ids, visible, only)),
    run: byId((ids, only) => stores.run.byIds(sandboxId, ids, visible, only)),
    segment: byId((ids, only) => stores.segment.byIds(sandboxId, ids, visible, only)),
    segmentMapping: byId((ids, only) => stores.segmentMapping.byIds(sandboxId, ids, visible, only)),
    sandbox: byId((ids) => parts.services.sandbox.byIds(session, ids)),
    activation: byIdIf(mayReadAll, (ids) => stores.activation.byIds(sandboxId, ids)),
    destinationAccount: byIdIf(mayReadAll, (ids) => stores.destinationAccount.byIds(sandboxId, ids)),
    segmentationJob: byIdIf(mayReadAll, (ids) => stores.segmentationJob.byIds(sandboxId, ids)),
    snapshot: byIdIf(mayReadAll, (ids) => stores.snapshot.byIds(sandboxId, ids)),
    apiToken: byIdIf(isAllowed(session, 'tokens:write'), (ids) => stores.token.byIds(sandboxId, ids)),
    notificationTarget: byIdIf(isAllowed(session, 'notifications:write'), (ids) =>
      stores.notificationTarget.byIds(sandboxId, ids),
    ),
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
    standingsOfDataflow: groupedBy(
      (dataflowIds) => {
        const since = new Date(parts.clock().getTime() - MISSED_FOR_MS)
        return dataflowStandings(parts.database, { sandboxId, dataflowIds, since })
      },
      (row) => row.dataflowId,
    ),
    runFiles: groupedBy(
      (ids) => stores.run.filesOf(ids),
      (row) => row.runId,
    ),
  }
}

/**
 * Batches, but does not remember: within one operation a mutation may change a row, and a subscription lives long.
 * Equal ids in one batch are asked for once. Those who look at the same properties ask together.
 */
function byId<Row extends { id: string }>(fetch: (ids: string[], only?: Selection) => Promise<Row[]>) {
  const loaders = new Map<string, DataLoader<string, Row | null>>()
  const loaderOf = (only?: Selection) =>
    batched<Row | null>(async (ids) => {
      const rows = await fetch(ids, only)
      const found = new Map(rows.map((row) => [row.id, row]))
      return (id) => found.get(id) ?? null
    })
  return {
    load(id: string, only?: Selection): Promise<Row | null> {
      const key = only?.key ?? '*'
      const loader = loaders.get(key) ?? loaderOf(only)
      loaders.set(key, loader)
      return loader.load(id)
    },
  }
}

function groupedBy<Row>(fetch: (ids: string[]) => Promise<Row[]>, parentOf: (row: Row) => string | null) {
  let loader: DataLoader<string, Row[]> | undefined
  return {
    load(parentId: string): Promise<Row[]> {
      loader ??= batched(async (ids) => {
        const groups = Map.groupBy(await fetch(ids), parentOf)
        return (id) => groups.get(id) ?? []
      })
      return loader.load(parentId)
    },
  }
}

/** A loader over a function that is given each id once, and gives a look-up of the answers. */
export function batched<T>(answers: (ids: string[]) => Promise<(id: string) => T>): DataLoader<string, T> {
  return new DataLoader<string, T>(
    async (ids) => {
      const answer = await answers([...new Set(ids)])
      return ids.map(answer)
    },
    { cache: false },
  )
}
