// A scene for the engine's tests: profiles, a finished snapshot, and runs in the queue, written straight into the tables.
import { eq } from 'drizzle-orm'
import type { RunPlan } from '../../src/domain/model.ts'
import { runFeed } from '../../src/engine/feed.ts'
import { newId } from '../../src/storage/ids.ts'
import { runStore } from '../../src/storage/run.ts'
import type { TestDatabase } from './database.ts'

export const csvFormat = {
  type: 'CSV',
  compression: 'NONE',
  delimiter: ',',
  quote: '"',
  escape: '"',
  nullValue: '',
  maxRowsPerFile: 5_000_000,
  manifest: true,
  neutralizeFormulas: true,
} as const

let version = 0

/** Profiles under keys 1…n, all members of a new snapshot. */
export async function aSnapshot(test: TestDatabase, attributes: Iterable<Record<string, unknown>>) {
  const { database, sandboxId } = test
  const { db, tables } = database
  const [namespace] = await db
    .insert(tables.namespaces)
    .values({ sandboxId, name: `key${version}` })
    .returning()
  let count = 0
  const patches: { key: string; patch: string }[] = []
  for (const values of attributes) {
    count += 1
    patches.push({ key: String(count), patch: JSON.stringify(values) })
    if (patches.length === 2_000) await database.upsertProfiles(namespace!.id, patches.splice(0))
  }
  await database.upsertProfiles(namespace!.id, patches)
  version += 1
  const members = db
    .select({ version: tables.namespaces.id, profileId: tables.profiles.id })
    .from(tables.profiles)
    .innerJoin(tables.namespaces, eq(tables.namespaces.id, tables.profiles.namespaceId))
    .where(eq(tables.profiles.namespaceId, namespace!.id))
  await database.batch([db.insert(tables.members).select(members)])
  return { id: newId('snapshot'), version: namespace!.id, count }
}

/** A queued run of the snapshot into the folder `out`. */
export async function aQueuedRun(
  test: TestDatabase,
  snapshot: { id: string; version: number; count: number },
  plan: Partial<RunPlan> = {},
) {
  const { database, sandboxId } = test
  const ids = { dataflow: newId('dataflow'), segment: newId('segment'), destination: newId('destination') }
  const run = {
    id: newId('run'),
    sandboxId,
    dataflowId: ids.dataflow,
    destinationId: plan.destination?.id ?? ids.destination,
    segmentId: ids.segment,
    mappingId: newId('segmentMapping'),
    snapshotId: snapshot.id,
    activationId: null,
    trigger: 'AD_HOC' as const,
    mode: 'FULL' as const,
    plan: {
      destination: { id: ids.destination, name: 'Disk', type: 'LOCAL_DIRECTORY', settings: { path: 'out' } },
      accountId: null,
      dataflow: { id: ids.dataflow, name: 'Flow' },
      segment: { id: ids.segment, name: 'Segment' },
      snapshot: { id: snapshot.id, version: snapshot.version },
      fields: [
        { source: 'email', target: 'email', required: true },
        { source: 'name', target: 'name', required: false },
      ],
      deduplicateBy: [],
      consentAttribute: null,
      fileFormat: csvFormat,
      fileName: `file_${ids.segment}`,
      isStaticName: false,
      ...plan,
    } satisfies RunPlan,
    total: snapshot.count,
    createdAt: new Date(),
  }
  await database.batch(runStore(database).insertQueued(run))
  return run
}

export async function runRow(test: TestDatabase, id: string) {
  return (await runStore(test.database).whole(test.sandboxId, id))!
}

/** Waits until the run's log ends, and gives the log. */
export async function untilEnded(test: TestDatabase, id: string) {
  const events = []
  for await (const event of runFeed(test).events(id, 0, AbortSignal.timeout(20_000))) events.push(event)
  return events
}
