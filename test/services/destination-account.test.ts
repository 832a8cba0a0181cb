import { once } from 'node:events'
import net from 'node:net'
import { eq } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DeliveryError, type Driver } from '../../src/destinations/driver.ts'
import { driverRegistry } from '../../src/destinations/registry.ts'
import type { ServiceContext } from '../../src/services/context.ts'
import { dataflowService } from '../../src/services/dataflow.ts'
import { destinationService } from '../../src/services/destination.ts'
import {
  type CreateDestinationAccountInput,
  destinationAccountService,
} from '../../src/services/destination-account.ts'
import { runStore } from '../../src/storage/run.ts'
import type { Row } from '../../src/storage/tables.ts'
import { buildingContext, refusalOf, refusedPaths, withRoles } from '../support/building.ts'
import { addSandbox, adminSession, type TestDatabase, testDatabase } from '../support/database.ts'
import { aQueuedRun, runRow } from '../support/export-scene.ts'
import { toLoopback } from '../support/outbound.ts'

let test: TestDatabase
let ctx: ServiceContext
let service: ReturnType<typeof destinationAccountService>
beforeEach(async () => {
  test = await testDatabase()
  ctx = buildingContext(test)
  service = destinationAccountService(ctx)
})
afterEach(() => test.dispose())

const input = (changes: Partial<CreateDestinationAccountInput> = {}): CreateDestinationAccountInput => ({
  name: ' Mail ',
  type: 'MAILER',
  settings: { host: 'mail.example' },
  secrets: { key: 'k-1' },
  agreeToDataTransfer: true,
  ...changes,
})
const aConnected = async () => service.verify(test.session, (await service.create(test.session, input())).id)

describe('creating an account', () => {
  it('trims its name, seals its secrets, shares it once a role, and records who agreed', async () => {
    const now = new Date('2026-11-22T09:30:00.000Z')
    test.setTime(now)
    const account = await service.create(test.session, input({ sharedWith: ['OPERATOR', 'OPERATOR'] }))
    expect(account).toMatchObject({
      name: 'Mail',
      settings: { host: 'mail.example' },
      sharedWith: ['OPERATOR'],
      consentBy: test.session.name,
      consentAt: now,
      status: 'UNVERIFIED',
    })
    expect(ctx.vault.open(account.secrets ?? '', account.id)).toBe('{"key":"k-1"}')
  })

  it('tells everything that is wrong at once', async () => {
    const bad = input({
      name: '',
      settings: { host: 7, password: 'x' },
      secrets: null,
      agreeToDataTransfer: false,
    })
    expect(await refusedPaths(service.create(test.session, bad))).toEqual([
      'INVALID_INPUT input.name',
      'CONSENT_MISSING input.agreeToDataTransfer',
      'INVALID_INPUT input.settings.host',
      'INVALID_INPUT input.settings.password',
      'INVALID_INPUT input.secrets',
    ])
  })

  it('knows only types that log in', async () => {
    for (const type of ['LOCAL_DIRECTORY', 'NOTHING'])
      expect(await refusedPaths(service.create(test.session, input({ type })))).toEqual([
        'INVALID_INPUT input.type',
      ])
  })
})

describe('changing an account', () => {
  it('makes it unverified with other settings or secrets, and only then', async () => {
    const { id } = await aConnected()
    const named = await service.update(test.session, { id, name: 'New', sharedWith: ['OPERATOR'] })
    expect(named).toMatchObject({ name: 'New', sharedWith: ['OPERATOR'], status: 'CONNECTED' })
    const secrets = { key: 'k-2' }
    for (const change of [
      { settings: { host: 'mail.example' } },
      { settings: { host: 'other.example' }, secrets },
      { secrets },
    ]) {
      const changed = await service.update(test.session, { id, ...change })
      expect(changed).toMatchObject({ status: 'UNVERIFIED', lastVerifiedAt: null, name: 'New' })
      await service.verify(test.session, id)
    }
    const kept = await service.update(test.session, { id })
    expect(kept.settings).toEqual({ host: 'other.example' })
    expect(ctx.vault.open(kept.secrets ?? '', id)).toBe('{"key":"k-2"}')
  })

  it('asks for the secrets again before they would go elsewhere, or be used by somebody else', async () => {
    const { id, secrets } = await aConnected()
    const [error] = await refusalOf(
      service.update(test.session, { id, name: 'Mine', settings: { host: 'evil.example' } }),
    )
    expect(error).toMatchObject({ code: 'INVALID_INPUT', path: ['input', 'secrets'] })
    expect(error?.message).toContain('Enter the secrets again')
    expect(await service.update(test.session, { id })).toMatchObject({
      name: 'Mail',
      settings: { host: 'mail.example' },
      status: 'CONNECTED',
      secrets,
    })
  })

  it('refuses what does not fit, in both parts', async () => {
    const { id } = await aConnected()
    const update = service.update(test.session, { id, name: '\0', settings: {}, secrets: { key: 'k', x: 1 } })
    expect(await refusedPaths(update)).toEqual([
      'INVALID_INPUT input.name',
      'INVALID_INPUT input.settings.host',
      'INVALID_INPUT input.secrets.x',
    ])
  })

  it('is not possible in another sandbox, without being an administrator, or once it is removed', async () => {
    const { id } = await aConnected()
    const other = adminSession(await addSandbox(test.database, 'dev'))
    expect(await refusedPaths(service.update(other, { id }))).toEqual(['NOT_FOUND input.id'])
    expect(await refusedPaths(service.verify(other, id))).toEqual(['NOT_FOUND id'])
    expect(await refusedPaths(service.remove(other, id))).toEqual(['NOT_FOUND id'])
    await expect(service.update(withRoles(test.session, ['OPERATOR']), { id })).rejects.toThrow('ADMIN')
    await service.remove(test.session, id)
    expect(await refusedPaths(service.update(test.session, { id }))).toEqual(['CONFLICT input.id'])
    expect(await refusedPaths(service.verify(test.session, id))).toEqual(['CONFLICT id'])
  })
})

describe('verifying an account', () => {
  /** A type whose logins the test answers. */
  const withLogin = (verify: NonNullable<Driver['account']>['verify'], loginMs?: number) => {
    const mailer = ctx.drivers.find('MAILER')
    if (!mailer?.account) throw new Error('the mailer has accounts')
    const drivers = driverRegistry({ exportRoot: test.exportRoot, outbound: toLoopback }, [
      { ...mailer, account: { ...mailer.account, verify } },
    ])
    return destinationAccountService({ ...ctx, drivers }, loginMs)
  }

  it('keeps what the destination told, through a change of the secrets and a login that fails', async () => {
    const { id } = await service.create(test.session, input())
    const details = { lists: [{ id: '1', name: 'News' }] }
    expect((await withLogin(async () => details).verify(test.session, id)).details).toEqual(details)
    await service.update(test.session, { id, secrets: { key: 'k-2' } })
    const closed = withLogin(async ({ details: known }) => {
      expect(known).toEqual(details)
      throw new DeliveryError('REFUSED_LOGIN', 'no', { retryable: false })
    })
    expect(await refusedPaths(closed.verify(test.session, id))).toEqual(['DESTINATION_REFUSED id'])
    expect((await service.update(test.session, { id, name: 'Still known' })).details).toEqual(details)
    expect(
      (await service.update(test.session, { id, settings: { host: 'mail.example' } })).details,
    ).toBeNull()
  })

  it('says nothing of a login with what was changed meanwhile', async () => {
    const { id } = await service.create(test.session, input())
    const tried: unknown[] = []
    const slow = withLogin(async ({ secrets }) => {
      tried.push(secrets.key)
      if (tried.length === 1) await service.update(test.session, { id, secrets: { key: 'k-2' } })
      else throw new DeliveryError('REFUSED_LOGIN', 'no', { retryable: false })
      return {}
    })
    expect(await refusedPaths(slow.verify(test.session, id))).toEqual(['DESTINATION_REFUSED id'])
    expect(tried).toEqual(['k-1', 'k-2'])
  })

  it('keeps the words of the destination to one line of at most 1,000 characters', async () => {
    const { id } = await service.create(test.session, input())
    const talkative = withLogin(async () => {
      throw new DeliveryError('REFUSED_LOGIN', `no\r\n\0${'👋'.repeat(900)}`, { retryable: false })
    })
    const [error] = await refusalOf(talkative.verify(test.session, id))
    expect(error?.detail).toMatch(/^no 👋/)
    expect(error?.detail?.length).toBe(1_000)
    expect(error?.detail?.isWellFormed()).toBe(true)
  })

  it('gives up on a destination that does not answer', async () => {
    const blackHole = net.createServer(() => {}) // takes the connection, and is silent
    await once(blackHole.listen(0, '127.0.0.1'), 'listening')
    const { port } = blackHole.address() as net.AddressInfo
    const verify = async (_: unknown, signal: AbortSignal) => {
      await fetch(`http://127.0.0.1:${port}`, { signal })
      return {}
    }
    const { id } = await service.create(test.session, input())
    const [error] = await refusalOf(withLogin(verify, 50).verify(test.session, id))
    expect(error).toMatchObject({
      code: 'DESTINATION_REFUSED',
      detail: 'The destination did not answer in time.',
    })
    blackHole.close()
  })

  it('does not take a bug of a driver for an answer', async () => {
    const { id } = await service.create(test.session, input())
    const broken = withLogin(async ({ secrets }) => {
      throw new TypeError(`cannot read ${secrets.key}`)
    })
    await expect(broken.verify(test.session, id)).rejects.toThrow('cannot read [secret]')
    expect(await service.update(test.session, { id })).toMatchObject({ status: 'UNVERIFIED' })
  })
})

describe('removing an account', () => {
  const destination = (accountId: string) =>
    destinationService(ctx).create(test.session, {
      name: 'List',
      type: 'MAILER',
      accountId,
      settings: { listId: 1 },
    })
  const fields = [{ source: 'email', target: 'email' }]
  const dataflow = (destinationId: string) =>
    dataflowService(ctx).create(test.session, { name: 'Nightly', destinationId, fields })
  /** A run to a destination, moved on to some state. */
  const aRun = async (destinationId: string, changes: Partial<Row<'runs'>>) => {
    const { id } = await aQueuedRun(test, { id: 'snp_x', version: 1, count: 1 })
    const { runs } = test.database.tables
    await test.database.db
      .update(runs)
      .set({ destinationId, ...changes })
      .where(eq(runs.id, id))
    return id
  }
  const eventsOf = (runId: string) => runStore(test.database).eventsAfter(runId, 0, 100)
  const lastEvent = async (runId: string) => (await eventsOf(runId)).at(-1)

  it('is final, forgets its secrets, and stops what is built on it at once', async () => {
    const { id } = await aConnected()
    const mine = await destination(id)
    const flow = await dataflow(mine.id)
    const others = await destination((await aConnected()).id)
    const othersFlow = await dataflow(others.id)

    expect(await service.remove(test.session, id)).toMatchObject({ status: 'REMOVED', secrets: null })
    expect(await service.remove(test.session, id)).toMatchObject({ status: 'REMOVED' })
    const { destinations, dataflows } = test.database.tables
    const states = async () => [
      await test.database.db
        .select({ id: destinations.id, is: destinations.status })
        .from(destinations)
        .orderBy(destinations.id),
      await test.database.db
        .select({ id: dataflows.id, is: dataflows.state })
        .from(dataflows)
        .orderBy(dataflows.id),
    ]
    expect((await states()).flat()).toEqual([
      { id: mine.id, is: 'DISABLED' },
      { id: others.id, is: 'ENABLED' },
      { id: flow.id, is: 'DISABLED' },
      { id: othersFlow.id, is: 'ENABLED' },
    ])
    expect(await refusedPaths(destination(id))).toEqual(['NOT_FOUND input.accountId'])
  })

  it('ends what is queued and asks what is running to stop, saying why, but for files that are appearing', async () => {
    const { id } = await aConnected()
    const { id: mine } = await destination(id)
    const { id: others } = await destination((await aConnected()).id)
    const queued = await aRun(mine, {})
    const running = await aRun(mine, { status: 'PROCESSING', phase: 'DELIVERING', leaseOwner: 'p' })
    const appearing = await aRun(mine, { status: 'PROCESSING', phase: 'FINALIZING', leaseOwner: 'p' })
    const ended = await aRun(mine, { status: 'SUCCESS', phase: 'DONE', completedAt: new Date() })
    const elsewhere = await aRun(others, {})
    const untouched = await Promise.all([appearing, ended, elsewhere].map((run) => runRow(test, run)))

    const told = Promise.all([queued, running].map((run) => test.database.wake.wait(`run:${run}`, 60_000)))
    await service.remove(test.session, id)
    const message = 'The account "Mail" was removed.'
    expect(await runRow(test, queued)).toMatchObject({ status: 'CANCELLED', phase: 'DONE' })
    expect(await lastEvent(queued)).toMatchObject({ type: 'CANCELLED', status: 'CANCELLED', seq: 2, message })
    expect(await runRow(test, running)).toMatchObject({ status: 'CANCELLING', leaseOwner: 'p' })
    expect(await lastEvent(running)).toMatchObject({ type: 'CANCELLING', seq: 2, message })
    expect(await Promise.all([appearing, ended, elsewhere].map((run) => runRow(test, run)))).toEqual(
      untouched,
    )
    for (const run of [queued, running, appearing]) {
      const seqs = (await eventsOf(run)).map(({ seq }) => seq)
      expect(seqs).toEqual(seqs.map((_, index) => index + 1))
    }
    await told
  })

  it('leaves destinations that come back with another account alone, and only when somebody says so', async () => {
    const { id } = await aConnected()
    const { id: destinationId } = await destination(id)
    const flow = await dataflow(destinationId)
    await service.remove(test.session, id)
    const destinations = destinationService(ctx)
    const dataflows = dataflowService(ctx)
    const change = (changes: object) => destinations.update(test.session, { id: destinationId, ...changes })

    for (const changes of [{ status: 'ENABLED' }, { settings: { listId: 2 } }])
      expect(await refusedPaths(change(changes))).toEqual(['CONFLICT input.accountId'])
    expect(await refusedPaths(dataflows.enable(test.session, flow.id))).toEqual(['CONFLICT id'])
    expect(await refusedPaths(dataflow(destinationId))).toEqual(['CONFLICT input.destinationId'])
    expect((await change({ name: 'Old list' })).name).toBe('Old list')
    expect((await change({ status: 'DISABLED' })).status).toBe('DISABLED')

    expect(await refusedPaths(change({ accountId: id }))).toEqual(['NOT_FOUND input.accountId'])
    const unverified = await service.create(test.session, input())
    expect(await refusedPaths(change({ accountId: unverified.id }))).toEqual(['CONFLICT input.accountId'])
    const other = await aConnected()
    expect(await change({ accountId: other.id })).toMatchObject({ accountId: other.id, status: 'DISABLED' })
    expect((await change({ status: 'ENABLED' })).status).toBe('ENABLED')
    expect((await dataflows.enable(test.session, flow.id)).state).toBe('ENABLED')
  })

  it('never leaves an enabled destination or dataflow on a removed account, whoever is faster', async () => {
    for (let round = 0; round < 10; round += 1) {
      const { id } = await aConnected()
      const { id: old } = await destination(id)
      const flow = await dataflow(old)
      await destinationService(ctx).update(test.session, { id: old, status: 'DISABLED' })
      await dataflowService(ctx).disable(test.session, flow.id)
      const [gone] = await Promise.allSettled([
        service.remove(test.session, id),
        destination(id),
        destinationService(ctx).update(test.session, { id: old, status: 'ENABLED' }),
        dataflowService(ctx).enable(test.session, flow.id),
      ])
      expect(gone.status).toBe('fulfilled')
    }
    const { destinations, dataflows, destinationAccounts: accounts } = test.database.tables
    const rows = await test.database.db
      .select({ account: accounts.status, destination: destinations.status, dataflow: dataflows.state })
      .from(destinations)
      .innerJoin(accounts, eq(accounts.id, destinations.accountId))
      .leftJoin(dataflows, eq(dataflows.destinationId, destinations.id))
    const left = rows.filter(({ account }) => account === 'REMOVED')
    expect(left.length).toBeGreaterThanOrEqual(10)
    for (const row of left) {
      expect(row.destination).toBe('DISABLED')
      expect(row.dataflow).not.toBe('ENABLED')
    }
  })
})
