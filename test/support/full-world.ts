// One object of every kind with everything set, so that no field of the API is empty.
import { and, eq } from 'drizzle-orm'
import type { Session } from '../../src/domain/access.ts'
import type { Query } from '../../src/storage/database.ts'
import type { NewRow, Row } from '../../src/storage/tables.ts'
import { activated, worldOf } from './activation.ts'
import type { TestGateway } from './api.ts'
import { csvFormat } from './export-scene.ts'
import { type HttpStore, httpStoreDriver } from './http-store.ts'
import { keyPair } from './pgp.ts'
import { addProfiles } from './segments.ts'

/** A driver with an account to log in with, and with a field to name. */
export const fullDriver = {
  ...httpStoreDriver,
  fields: [{ name: 'EMAIL', title: 'E-mail', required: false, description: 'Where it goes.' }],
}

export type FullWorld = Awaited<ReturnType<typeof fullWorld>>
type Scene = ReturnType<typeof sceneOf>

const FAILURE = { code: 'X', message: 'x', retryable: true }
const FILE = { part: 1, name: 'a.csv', location: 'a.csv', rows: 3, bytes: 9, sha256: 'x' }
const SCHEDULE = { frequency: 'DAILY', startDate: '2020-01-01', startTime: '00:00' } as const

/** The gateway needs `fullDriver`. The same names in every sandbox; an account that logs in at the store. */
export async function fullWorld(gateway: TestGateway, store: HttpStore, sandboxName = 'prod') {
  const sandbox = await gateway.parts.services.sandbox.ensure(sandboxName)
  const session = { ...gateway.test.session, sandbox }
  const login = { url: store.url, user: store.user, password: store.password }
  const scene = sceneOf(gateway, session)
  const { world, services, test, tables } = scene
  const accountId = await addAccount(scene, login)
  const kept = { type: 'HTTP_STORE', accountId, settings: { folder: 'out' }, description: 'For the agency.' }
  const destination = await world.destination(kept)
  const fileFormat = { ...csvFormat, publicKey: (await keyPair()).publicKey }
  const dataflow = await world.dataflow(destination, { description: 'Every day.', fileFormat })
  const jobId = await addJob(scene)
  const fresh = makerOf(scene, dataflow, jobId)
  const run = await addRun(scene, fresh)
  const failures = [{ ...FAILURE, segmentId: run.segmentId }]
  await scene.write(scene.db.update(tables.segmentationJobs).set({ failures }))
  // Through the service, which logs the change for partners.
  const segments = [{ segmentId: (await fresh.segment()).id, schedule: SCHEDULE }]
  await services.dataflow.mapSegments(session, { dataflowId: dataflow.id, segments })
  await addProfiles({ ...test, sandboxId: sandbox.id }, [{ id: '1', email: 'a@example.org', age: 30 }])
  await services.audit.record({
    actor: { session, operation: 'updateDataflow', clientOperation: 'Change', requestId: 'x' },
    change: { type: 'dataflow', id: dataflow.id, before: '{"name":"a"}', after: '{"name":"b"}' },
    outcome: 'REFUSED',
    codes: ['CONFLICT'],
  })
  const [numbers] = await test.database.db
    .select({ Segment: tables.segments.number, SegmentMapping: tables.segmentMappings.number })
    .from(tables.segmentMappings)
    .innerJoin(tables.segments, eq(tables.segments.id, tables.segmentMappings.segmentId))
    .where(eq(tables.segmentMappings.id, run.mappingId))

  return {
    session,
    login,
    kept,
    destination,
    dataflow,
    run,
    world,
    fresh,
    numbers: numbers!,
    /** One of each, by its type's name. */
    ids: {
      Sandbox: sandbox.id,
      ApiToken: await addToken(scene, destination.id),
      Segment: run.segmentId,
      SegmentSnapshot: run.snapshotId!,
      SegmentationJob: jobId,
      DestinationAccount: accountId,
      Destination: destination.id,
      Dataflow: dataflow.id,
      SegmentMapping: run.mappingId,
      Activation: run.activationId!,
      Run: run.id,
      NotificationTarget: await addNotificationTarget(scene, dataflow.id),
    },
  }
}

function sceneOf(gateway: TestGateway, session: Session) {
  const { test, parts } = gateway
  const { database, ctx } = test
  return {
    test,
    session,
    services: parts.services,
    tables: database.tables,
    db: database.db,
    world: worldOf(test, session.sandbox.id),
    newId: ctx.newId,
    /** A moment ago. */
    at: new Date(ctx.clock().getTime() - 60_000),
    write: (...queries: Query[]) => database.batch(queries),
  }
}

async function addAccount({ services, session, write, db, tables }: Scene, login: Login): Promise<string> {
  const { password, ...settings } = login
  const { id } = await services.destinationAccount.create(session, {
    name: 'Ops',
    type: 'HTTP_STORE',
    settings,
    secrets: { password },
    sharedWith: ['OPERATOR'],
    agreeToDataTransfer: true,
  })
  await services.destinationAccount.verify(session, id)
  const { destinationAccounts: accounts } = tables
  await write(db.update(accounts).set({ lastError: 'It was down.' }).where(eq(accounts.id, id)))
  return id
}
interface Login {
  url: string
  user: string
  password: string
}

async function addJob({ newId, session, write, db, tables, at }: Scene): Promise<string> {
  const id = newId('segmentationJob')
  const state = { status: 'FAILED', trigger: 'AD_HOC', total: 3, error: FAILURE } as const
  const times = { dueAt: at, createdAt: at, startedAt: at, completedAt: at }
  const row = { id, sandboxId: session.sandbox.id, ...state, ...times }
  await write(db.insert(tables.segmentationJobs).values({ ...row, segmentIds: [] }))
  return id
}

/** It runs, has failed and is done, all at once: every field has a value. */
async function addRun({ write, db, tables, at }: Scene, fresh: Maker): Promise<Row<'runs'>> {
  const busy = { status: 'PROCESSING', phase: 'READING', total: 9, received: 3, attempt: 1 } as const
  const run = await fresh.run({ ...busy, error: FAILURE, startedAt: at, completedAt: at, dueAt: at })
  await fresh.run({ status: 'SUCCESS', phase: 'DONE', completedAt: at })
  await fresh.refuse(run.id)
  await write(
    db.update(tables.runEvents).set({ message: 'So far so good.' }).where(eq(tables.runEvents.runId, run.id)),
    db.insert(tables.runFiles).values({ runId: run.id, ...FILE }),
  )
  return run
}

async function addToken({ newId, session, write, db, tables, at }: Scene, destinationId: string) {
  const id = newId('apiToken')
  const times = { createdAt: at, expiresAt: at, lastUsedAt: at, revokedAt: at }
  const who = { sandboxId: session.sandbox.id, name: 'Agency', roles: ['PARTNER' as const] }
  const row = { id, ...who, clientId: `cli_${id}`, secretHash: id, destinationIds: [destinationId], ...times }
  await write(db.insert(tables.apiTokens).values(row))
  return id
}

async function addNotificationTarget(
  { services, session, write, db, tables, at }: Scene,
  dataflowId: string,
) {
  const { target } = await services.notificationTarget.create(session, {
    name: 'Pager',
    url: 'http://127.0.0.1:9/hook',
    events: ['FAILURE'],
    dataflowIds: [dataflowId],
  })
  const { notificationTargets: targets } = tables
  const facts = { failingSince: at, lastError: 'It was down.', lastDeliveredAt: at }
  await write(db.update(targets).set(facts).where(eq(targets.id, target.id)))
  return target.id
}

type Maker = ReturnType<typeof makerOf>
/** Makes what calls use up. */
function makerOf(scene: Scene, dataflow: Row<'dataflows'>, jobId: string) {
  const { world, services, session, write, db, tables, at } = scene

  const segment = async () => {
    const made = await world.segment({ description: 'Who buys.' })
    const { snapshots } = tables
    await write(db.update(snapshots).set({ jobId }).where(eq(snapshots.segmentId, made.id)))
    return made
  }
  const mapping = async (changes: Partial<NewRow<'segmentMappings'>> = {}) => {
    const schedule = { ...SCHEDULE, trigger: 'SCHEDULED' as const, endDate: '2999-01-01' }
    const given = { elementDescription: 'Buyers', filenameTemplate: 'out', schedule, ...changes }
    return world.map(dataflow, await segment(), given)
  }
  const run = async (changes: Partial<NewRow<'runs'>>): Promise<Row<'runs'>> => {
    const { segmentId } = await mapping()
    const request = { activations: [{ dataflowId: dataflow.id, segmentIds: [segmentId] }] }
    const [made] = activated(await services.activation.activate(session, request)).runs
    await world.setRun(made!.id, changes)
    return made!
  }
  return {
    segment,
    mapping,
    run,
    /** The destination has refused a profile of the run. */
    refuse: (runId: string) => {
      const reason = 'REFUSED_BY_DESTINATION' as const
      return write(db.insert(tables.rejections).values({ runId, profileId: 1, reason, detail: 'email' }))
    },
    /** A profile that a file of a finished run holds. */
    async profile(key: string) {
      await services.profile.upsert(session, { key: 'id', profiles: [{ id: key }] })
      const { profiles, members, snapshots, namespaces } = tables
      const [found] = await db
        .select({ id: profiles.id })
        .from(profiles)
        .innerJoin(namespaces, eq(namespaces.id, profiles.namespaceId))
        .where(and(eq(profiles.key, key), eq(namespaces.sandboxId, session.sandbox.id)))
      const { id: runId, segmentId } = await run({ status: 'SUCCESS', phase: 'DONE', completedAt: at })
      const [snapshot] = await db.select().from(snapshots).where(eq(snapshots.segmentId, segmentId))
      await write(
        db.insert(members).values({ version: snapshot!.version, profileId: found!.id }),
        db.insert(tables.runFiles).values({ runId, ...FILE }),
      )
    },
    /** One job at a time: ends what an evaluation has queued. */
    endJobs: () => write(db.update(tables.segmentationJobs).set({ status: 'FAILED' })),
  }
}
