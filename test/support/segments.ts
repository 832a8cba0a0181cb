import { and, eq, inArray } from 'drizzle-orm'
import { expect, vi } from 'vitest'
import { segmentationWorker } from '../../src/engine/segmentation.ts'
import { systemTimer } from '../../src/engine/timer.ts'
import { segmentService } from '../../src/services/segment.ts'
import { membershipStore } from '../../src/storage/membership.ts'
import type { Row } from '../../src/storage/tables.ts'
import { silent, type TestDatabase } from './database.ts'

/** Profiles under the key `id`, from 1 on; returns the id of their namespace. */
export async function addProfiles(
  test: Pick<TestDatabase, 'database' | 'sandboxId'>,
  attributes: Record<string, unknown>[],
): Promise<number> {
  const { database, sandboxId } = test
  const { namespaces } = database.tables
  const isHere = and(eq(namespaces.sandboxId, sandboxId), eq(namespaces.name, 'id'))
  await database.batch([
    database.db.insert(namespaces).values({ sandboxId, name: 'id' }).onConflictDoNothing(),
  ])
  const [namespace] = await database.db.select().from(namespaces).where(isHere)
  const patches = attributes.map((one, index) => ({ key: String(index + 1), patch: JSON.stringify(one) }))
  for (let i = 0; i < patches.length; i += 2000) {
    await database.upsertProfiles(namespace!.id, patches.slice(i, i + 2000))
  }
  return namespace!.id
}

export function startWorker(test: TestDatabase, processId = 'prc_test', timer = systemTimer) {
  const { database, ctx } = test
  const worker = segmentationWorker({
    database,
    clock: ctx.clock,
    newId: ctx.newId,
    log: silent,
    processId,
    timer,
  })
  worker.start()
  return worker
}

export async function jobById(test: TestDatabase, id: string): Promise<Row<'segmentationJobs'>> {
  const { segmentationJobs } = test.database.tables
  const [job] = await test.database.db.select().from(segmentationJobs).where(eq(segmentationJobs.id, id))
  return job!
}

/** Waits for the end of a job. */
export function ended(test: TestDatabase, id: string): Promise<Row<'segmentationJobs'>> {
  const look = async () => {
    const job = await jobById(test, id)
    if (['QUEUED', 'PROCESSING'].includes(job.status)) throw new Error(`still ${job.status}`)
    return job
  }
  return vi.waitFor(look, { timeout: 20_000, interval: 5 })
}

/** Queues an evaluation and sees it to its end with a worker of its own. */
export async function evaluate(test: TestDatabase, segmentIds: string[] | null = null) {
  const job = await segmentService(test.ctx).evaluate(test.session, segmentIds)
  const worker = startWorker(test)
  const done = await ended(test, job.id)
  const store = membershipStore(test.database)
  await vi.waitFor(async () => expect(await store.unneededVersions()).toEqual([]), { interval: 5 })
  await worker.stop()
  return done
}

/** Size, entered and exited of the latest snapshot, and the keys of its members. */
export async function latest(test: TestDatabase, segmentId: string) {
  const { db, tables } = test.database
  const { segments, snapshots, members, profiles } = tables
  const [row] = await db
    .select({ snapshot: snapshots })
    .from(segments)
    .innerJoin(snapshots, eq(snapshots.id, segments.snapshotId))
    .where(eq(segments.id, segmentId))
  if (!row) return null
  const keys = await db
    .select({ key: profiles.key })
    .from(members)
    .innerJoin(profiles, eq(profiles.id, members.profileId))
    .where(eq(members.version, row.snapshot.version))
    .orderBy(profiles.id)
  const { profileCount, entered, exited, version } = row.snapshot
  return { profileCount, entered, exited, version, keys: keys.map(({ key }) => key) }
}

export async function membersOf(test: TestDatabase, versions: number[]): Promise<number> {
  const { members } = test.database.tables
  return (await test.database.db.select().from(members).where(inArray(members.version, versions))).length
}
