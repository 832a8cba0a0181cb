import { once } from 'node:events'
import net from 'node:net'
import { eq } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DeliveryError, type Driver } from '../../src/destinations/driver.ts'
import { driverRegistry } from '../../src/destinations/registry.ts'
import type { ServiceContext } from '../../src/services/context.ts'
import { destinationService } from '../../src/services/destination.ts'
import {
  type CreateDestinationAccountInput,
  destinationAccountService,
} from '../../src/services/destination-account.ts'
import { buildingContext, refusalOf, refusedPaths, withRoles } from '../support/building.ts'
import { addSandbox, adminSession, type TestDatabase, testDatabase } from '../support/database.ts'

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
    for (const change of [{ settings: { host: 'other.example' } }, { secrets: { key: 'k-2' } }]) {
      const changed = await service.update(test.session, { id, ...change })
      expect(changed).toMatchObject({ status: 'UNVERIFIED', lastVerifiedAt: null, name: 'New' })
      await service.verify(test.session, id)
    }
    const { settings, secrets } = await service.update(test.session, { id })
    expect(settings).toEqual({ host: 'other.example' })
    expect(ctx.vault.open(secrets ?? '', id)).toBe('{"key":"k-2"}')
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
    const drivers = driverRegistry({ exportRoot: test.exportRoot }, [
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
    expect((await service.update(test.session, { id, settings: { host: 'other.test' } })).details).toBeNull()
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

  it('is refused while a destination is built on it; then it is final, and its secrets are gone', async () => {
    const { id } = await aConnected()
    const { id: destinationId } = await destination(id)
    expect(await refusalOf(service.remove(test.session, id))).toMatchObject([
      { code: 'IN_USE', nodeId: destinationId },
    ])
    await destinationService(ctx).remove(test.session, destinationId)
    expect(await service.remove(test.session, id)).toMatchObject({ status: 'REMOVED', secrets: null })
    expect(await service.remove(test.session, id)).toMatchObject({ status: 'REMOVED' })
    expect(await refusedPaths(destination(id))).toEqual(['NOT_FOUND input.accountId'])
  })

  it('never leaves a destination on a removed account, whoever is faster', async () => {
    for (let round = 0; round < 10; round += 1) {
      const { id } = await aConnected()
      const [made, gone] = await Promise.allSettled([destination(id), service.remove(test.session, id)])
      expect([made.status, gone.status].sort()).toEqual(['fulfilled', 'rejected'])
    }
    const { destinations, destinationAccounts: accounts } = test.database.tables
    const rows = await test.database.db
      .select({ status: accounts.status })
      .from(destinations)
      .innerJoin(accounts, eq(accounts.id, destinations.accountId))
    expect(rows.filter(({ status }) => status === 'REMOVED')).toEqual([])
  })
})
