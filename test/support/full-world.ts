// One object of every kind with everything set, so that no field of the API is empty; and arguments to reach them by.
import { and, eq } from 'drizzle-orm'
import type { NewRow, Row } from '../../src/storage/tables.ts'
import { activated, worldOf } from './activation.ts'
import type { TestGateway } from './api.ts'
import { type HttpStore, httpStoreDriver } from './http-store.ts'
import { addProfiles } from './segments.ts'

/** A driver with an account to log in with, and with a field to name. */
export const fullDriver = {
  ...httpStoreDriver,
  fields: [{ name: 'EMAIL', title: 'E-mail', required: false, description: 'Where it goes.' }],
}

export type FullWorld = Awaited<ReturnType<typeof fullWorld>>

/** The guardrail of waiting is on, so that a segment can be mapped too recently. */
export async function fullWorld(gateway: TestGateway, store: HttpStore) {
  const { test, parts } = gateway
  const { database, ctx, session, sandboxId } = test
  const { db, tables } = database
  const world = worldOf(test, sandboxId)
  const at = new Date(ctx.clock().getTime() - 60_000)
  const set = (query: { then: unknown }) => database.batch([query as never])

  const { id: accountId } = await parts.services.destinationAccount.create(session, {
    name: 'Ops',
    type: 'HTTP_STORE',
    settings: { url: store.url, user: store.user },
    secrets: { password: store.password },
    sharedWith: ['OPERATOR'],
    agreeToDataTransfer: true,
  })
  await parts.services.destinationAccount.verify(session, accountId)
  await set(
    db
      .update(tables.destinationAccounts)
      .set({ lastError: 'It was down.' })
      .where(eq(tables.destinationAccounts.id, accountId)),
  )
  const kept = { type: 'HTTP_STORE', accountId, settings: { folder: 'out' }, description: 'For the agency.' }
  const destination = await world.destination(kept)
  const dataflow = await world.dataflow(destination, { description: 'Every day.' })

  const jobId = ctx.newId('segmentationJob')
  const error = { code: 'X', message: 'x', retryable: true }
  await set(
    db.insert(tables.segmentationJobs).values({
      id: jobId,
      sandboxId,
      status: 'FAILED',
      trigger: 'AD_HOC',
      segmentIds: [],
      total: 3,
      error,
      createdAt: at,
      startedAt: at,
      completedAt: at,
    }),
  )
  /** One job at a time: ends what an evaluation before has queued. */
  const endJobs = () => set(db.update(tables.segmentationJobs).set({ status: 'FAILED' }))
  const freshSegment = async () => {
    const segment = await world.segment({ description: 'Who buys.' })
    await set(db.update(tables.snapshots).set({ jobId }).where(eq(tables.snapshots.segmentId, segment.id)))
    return segment
  }
  const freshMapping = async (changes: Partial<NewRow<'segmentMappings'>> = {}) => {
    const segment = await freshSegment()
    const schedule = {
      frequency: 'DAILY' as const,
      trigger: 'SCHEDULED' as const,
      startDate: '2020-01-01',
      endDate: '2999-01-01',
      startTime: '00:00',
    }
    const given = { elementDescription: 'Buyers', filenameTemplate: 'out', schedule, ...changes }
    return world.map(dataflow, segment, given)
  }
  const freshRun = async (changes: Partial<NewRow<'runs'>>): Promise<Row<'runs'>> => {
    const { segmentId } = await freshMapping()
    const request = { activations: [{ dataflowId: dataflow.id, segmentIds: [segmentId] }] }
    const [run] = activated(await parts.services.activation.activate(session, request)).runs
    await world.setRun(run!.id, changes)
    return run!
  }
  /** The destination refused a profile of the run. */
  const refuse = (runId: string) => {
    const reason = 'REFUSED_BY_DESTINATION' as const
    return set(db.insert(tables.rejections).values({ runId, profileId: 1, reason, detail: 'email' }))
  }
  const busy = { status: 'PROCESSING', phase: 'READING', total: 9, received: 3, attempt: 1 } as const
  const run = await freshRun({ ...busy, error, startedAt: at, completedAt: at })
  await database.batch([
    db.update(tables.runEvents).set({ message: 'So far so good.' }).where(eq(tables.runEvents.runId, run.id)),
    db
      .insert(tables.runFiles)
      .values({ runId: run.id, part: 1, name: 'a.csv', location: 'a.csv', rows: 3, bytes: 9, sha256: 'x' }),
  ])
  await refuse(run.id)
  const logged = await freshSegment()
  const mappingOf = async (segmentId: string) => {
    const { segmentMappings: mappings } = tables
    const [row] = await db.select().from(mappings).where(eq(mappings.segmentId, segmentId))
    return row!
  }
  const schedule = { frequency: 'DAILY' as const, startDate: '2020-01-01', startTime: '00:00' }
  const segments = [{ segmentId: logged.id, schedule }]
  await parts.services.dataflow.mapSegments(session, { dataflowId: dataflow.id, segments })

  const tokenId = ctx.newId('apiToken')
  await set(
    db.insert(tables.apiTokens).values({
      id: tokenId,
      sandboxId,
      clientId: 'cli_full',
      name: 'Agency',
      roles: ['PARTNER'],
      destinationIds: [destination.id],
      secretHash: 'x',
      createdAt: at,
      expiresAt: at,
      lastUsedAt: at,
      revokedAt: at,
    }),
  )
  await addProfiles(test, [{ id: '1', email: 'a@example.org', age: 30 }])
  const mapping = await mappingOf(run.segmentId)

  /** A profile that the files of a finished run hold. */
  const freshProfile = async (key: string) => {
    await parts.services.profile.upsert(session, { key: 'id', profiles: [{ id: key }] })
    const { profiles, members, snapshots } = tables
    const [profile] = await db.select({ id: profiles.id }).from(profiles).where(eq(profiles.key, key))
    const done = await freshRun({ status: 'SUCCESS', phase: 'DONE', completedAt: at })
    const isSent = and(eq(snapshots.segmentId, done.segmentId))
    const [snapshot] = await db.select().from(snapshots).where(isSent)
    await database.batch([
      db.insert(members).values({ version: snapshot!.version, profileId: profile!.id }),
      db.insert(tables.runFiles).values({
        runId: done.id,
        part: 1,
        name: 'b.csv',
        location: 'b.csv',
        rows: 1,
        bytes: 9,
        sha256: 'x',
      }),
    ])
  }

  return {
    login: { url: store.url, user: store.user, password: store.password },
    kept,
    destination,
    dataflow,
    jobId,
    run,
    mapping,
    logged,
    tokenId,
    world,
    endJobs,
    freshSegment,
    freshMapping,
    freshRun,
    freshProfile,
    refuse,
    /** One of each, by its type's name. */
    ids: {
      Sandbox: sandboxId,
      ApiToken: tokenId,
      Segment: run.segmentId,
      SegmentSnapshot: run.snapshotId!,
      SegmentationJob: jobId,
      DestinationAccount: accountId,
      Destination: destination.id,
      Dataflow: dataflow.id,
      SegmentMapping: mapping.id,
      Activation: run.activationId!,
      Run: run.id,
    },
  }
}
