import { eq } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Session } from '../../src/domain/access.ts'
import { AccessError } from '../../src/domain/errors.ts'
import { dataflowService } from '../../src/services/dataflow.ts'
import { type CreateDestinationInput, destinationService } from '../../src/services/destination.ts'
import { destinationStore } from '../../src/storage/destination.ts'
import { addAccount, buildingContext, refusalOf, refusedPaths, withRoles } from '../support/building.ts'
import { addSandbox, adminSession, type TestDatabase, testDatabase } from '../support/database.ts'
import { aQueuedRun, untilEnded } from '../support/export-scene.ts'

let test: TestDatabase
let session: Session
let service: ReturnType<typeof destinationService>
beforeEach(async () => {
  test = await testDatabase()
  session = test.session
  service = destinationService(buildingContext(test))
})
afterEach(() => test.dispose())

const folder = (changes: Partial<CreateDestinationInput> = {}): CreateDestinationInput => ({
  name: 'Partner A',
  type: 'LOCAL_DIRECTORY',
  settings: { path: 'partner-a' },
  ...changes,
})
const list = (changes: Partial<CreateDestinationInput> = {}): CreateDestinationInput => ({
  name: 'Newsletter',
  type: 'MAILER',
  settings: { listId: 7 },
  ...changes,
})

describe('creating a destination', () => {
  it('stores it enabled, trimmed, numbered over all sandboxes, with normalised settings', async () => {
    const accountId = await addAccount(test)
    const other = adminSession(await addSandbox(test.database, 'dev'))
    expect(await service.create(session, folder({ name: '  Partner A ', description: 'x' }))).toMatchObject({
      name: 'Partner A',
      description: 'x',
      status: 'ENABLED',
      number: 1,
      sandboxId: test.sandboxId,
    })
    expect((await service.create(other, folder())).number).toBe(2)
    const created = await service.create(session, list({ accountId }))
    expect(created).toMatchObject({ number: 3, accountId, settings: { listId: 7, tags: [] } })
  })

  it('names everything that is wrong, with its place', async () => {
    const accountId = await addAccount(test)
    const settings = JSON.parse('{"listId":"x","tags":["a",1],"extra":1,"__proto__":{"a":1}}')
    const paths = await refusedPaths(
      service.create(session, list({ name: ' ', description: 'a\0', settings, accountId })),
    )
    expect(paths.toSorted()).toEqual([
      'INVALID_INPUT input.description',
      'INVALID_INPUT input.name',
      'INVALID_INPUT input.settings.__proto__',
      'INVALID_INPUT input.settings.extra',
      'INVALID_INPUT input.settings.listId',
      'INVALID_INPUT input.settings.tags.1',
    ])
    expect(({} as Record<string, unknown>).a).toBeUndefined()
  })

  it.each([null, 'x', 1, []])('refuses the settings %j', async (settings) => {
    expect(await refusedPaths(service.create(session, folder({ settings })))).toEqual([
      'INVALID_INPUT input.settings',
    ])
  })

  it('names the known types', async () => {
    const errors = await refusalOf(service.create(session, folder({ type: 'FTP', name: '😀'.repeat(256) })))
    expect(errors.map(({ message }) => message)).toEqual([
      'The name must have between 1 and 255 characters.',
      expect.stringMatching(/^There is no destination type "FTP"\. Known: LOCAL_DIRECTORY, .*MAILER\.$/),
    ])
  })

  it('needs a connected account with consent, of the type, in the sandbox, exactly where there is one', async () => {
    const other = await addSandbox(test.database, 'dev')
    const create = (accountId: string | null) => refusedPaths(service.create(session, list({ accountId })))
    const path = 'input.accountId'
    expect(await create(null)).toEqual([`INVALID_INPUT ${path}`])
    expect(await create('acc_none')).toEqual([`NOT_FOUND ${path}`])
    expect(await create(await addAccount({ ...test, sandboxId: other.id }))).toEqual([`NOT_FOUND ${path}`])
    expect(await create(await addAccount(test, { status: 'REMOVED' }))).toEqual([`NOT_FOUND ${path}`])
    expect(await create(await addAccount(test, { type: 'S3' }))).toEqual([`INVALID_INPUT ${path}`])
    expect(await create(await addAccount(test, { status: 'FAILED', consentAt: null }))).toEqual([
      `CONFLICT ${path}`,
      `CONSENT_MISSING ${path}`,
    ])
    const accountId = await addAccount(test)
    expect(await refusedPaths(service.create(session, folder({ accountId })))).toEqual([
      `INVALID_INPUT ${path}`,
    ])
  })

  it('lets operators use the accounts that are shared with them only', async () => {
    const operator = withRoles(session, ['OPERATOR'])
    const mine = await addAccount(test, { sharedWith: ['OPERATOR'] })
    const notMine = await addAccount(test, { sharedWith: [] })
    expect((await service.create(operator, list({ accountId: mine }))).accountId).toBe(mine)
    await expect(service.create(operator, list({ accountId: notMine }))).rejects.toThrow(AccessError)
  })

  it('lets operators change what uses an account that is shared with them, and stop any', async () => {
    const operator = withRoles(session, ['OPERATOR'])
    const { id } = await service.create(session, list({ accountId: await addAccount(test) }))
    const settings = { listId: 8 }
    await expect(service.update(operator, { id, settings })).rejects.toThrow(AccessError)
    await expect(service.update(operator, { id, status: 'ENABLED' })).rejects.toThrow(AccessError)
    expect((await service.update(operator, { id, name: 'Old list' })).name).toBe('Old list')
    expect((await service.update(operator, { id, status: 'DISABLED' })).status).toBe('DISABLED')
    expect((await service.remove(operator, id)).status).toBe('REMOVED')
  })

  it('fits what is known of the account, when it is made and when it is changed', async () => {
    const accountId = await addAccount(test, { details: { lists: [7, 8] } })
    const wrong = service.create(session, list({ accountId, settings: { listId: 9 } }))
    expect(await refusalOf(wrong)).toMatchObject([
      { code: 'INVALID_INPUT', path: ['input', 'settings'], message: 'There is no list 9.' },
    ])
    const { id } = await service.create(session, list({ accountId }))
    const update = (changes: object) => service.update(session, { id, ...changes })
    expect(await refusedPaths(update({ settings: { listId: 9 } }))).toEqual(['INVALID_INPUT input.settings'])
    expect((await update({ settings: { listId: 8 } })).settings).toEqual({ listId: 8, tags: [] })

    const other = await addAccount(test, { details: { lists: [9] } })
    expect(await refusedPaths(update({ accountId: other }))).toEqual(['INVALID_INPUT input.settings'])
    expect(await update({ accountId: other, settings: { listId: 9 } })).toMatchObject({
      accountId: other,
      settings: { listId: 9 },
    })
    expect(await refusedPaths(update({ accountId: 'acc_none' }))).toEqual(['NOT_FOUND input.accountId'])
    const folderId = (await service.create(session, folder())).id
    expect(await refusedPaths(service.update(session, { id: folderId, accountId }))).toEqual([
      'INVALID_INPUT input.accountId',
    ])
  })

  it('is for administrators and operators', async () => {
    for (const role of ['VIEWER', 'PARTNER'] as const)
      await expect(service.create(withRoles(session, [role]), folder())).rejects.toThrow(AccessError)
  })

  it('stops at the limit of the sandbox, also for concurrent callers; removed ones do not count', async () => {
    const limited = destinationService(buildingContext(test, { maxDestinationsPerSandbox: 2 }))
    const settled = await Promise.allSettled([1, 2, 3, 4].map(() => limited.create(session, folder())))
    const created = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
    expect(created).toHaveLength(2)
    expect(await refusalOf(limited.create(session, folder()))).toMatchObject([
      { code: 'LIMIT_EXCEEDED', limit: 2, requested: 3 },
    ])
    await limited.remove(session, created[0]!.id)
    expect((await limited.create(session, folder())).status).toBe('ENABLED')
  })
})

describe('changing a destination', () => {
  it('leaves what is absent or null, and clears a null description', async () => {
    const { id } = await service.create(session, folder({ description: 'x' }))
    const renamed = await service.update(session, { id, name: 'B', settings: null, status: 'DISABLED' })
    expect(renamed).toMatchObject({
      name: 'B',
      description: 'x',
      settings: { path: 'partner-a' },
      status: 'DISABLED',
    })
    expect(await service.update(session, { id, description: null, status: 'ENABLED' })).toMatchObject({
      name: 'B',
      description: null,
      status: 'ENABLED',
    })
  })

  it('refuses bad settings, and removing by status', async () => {
    const { id } = await service.create(session, folder())
    const update = service.update(session, { id, settings: { path: 1 }, status: 'REMOVED' })
    expect((await refusedPaths(update)).toSorted()).toEqual([
      'INVALID_INPUT input.settings.path',
      'INVALID_INPUT input.status',
    ])
  })

  it('does not find what is in another sandbox', async () => {
    const { id } = await service.create(session, folder())
    const other = adminSession(await addSandbox(test.database, 'dev'))
    expect(await refusedPaths(service.update(other, { id }))).toEqual(['NOT_FOUND input.id'])
    expect(await refusedPaths(service.remove(other, id))).toEqual(['NOT_FOUND id'])
    expect(await refusedPaths(service.remove(session, 'x'.repeat(100_000)))).toEqual(['NOT_FOUND id'])
  })
})

describe('removing a destination', () => {
  it('is final, disables its dataflows, and may be repeated', async () => {
    const { id } = await service.create(session, folder())
    const dataflows = dataflowService(test.ctx)
    const fields = [{ source: 'email', target: 'email' }]
    const flow = await dataflows.create(session, { name: 'Nightly', destinationId: id, fields })
    expect((await service.remove(session, id)).status).toBe('REMOVED')
    expect((await service.remove(session, id)).status).toBe('REMOVED')
    expect(await refusedPaths(service.update(session, { id, name: 'x' }))).toEqual(['CONFLICT input.id'])
    expect(await refusedPaths(dataflows.enable(session, flow.id))).toEqual(['CONFLICT id'])
    expect((await dataflows.disable(session, flow.id)).state).toBe('DISABLED')
  })

  it('ends the runs that are on their way there, and says why', async () => {
    const { id: destinationId } = await service.create(session, folder())
    const run = await aQueuedRun(test, { id: 'snp_x', version: 1, count: 1 })
    const { runs } = test.database.tables
    await test.database.db.update(runs).set({ destinationId }).where(eq(runs.id, run.id))
    await service.remove(session, destinationId)
    expect((await untilEnded(test, run.id)).at(-1)).toMatchObject({
      type: 'CANCELLED',
      message: 'The destination "Partner A" was removed.',
    })
  })
})

describe('the list of destinations', () => {
  const page = (filter = {}, args = {}) =>
    destinationStore(test.database).page({ sandboxId: test.sandboxId, filter, args, maxPageSize: 100 })
  const names = async (filter = {}) => (await page(filter)).rows.map(({ name }) => name)

  it('is searched literally, whatever the case', async () => {
    for (const name of ['100% match', '100x match', 'a_b', 'back\\slash', 'ALPHA'])
      await service.create(session, folder({ name }))
    expect(await names({ search: '0% M' })).toEqual(['100% match'])
    expect(await names({ search: 'A_B' })).toEqual(['a_b'])
    expect(await names({ search: '\\' })).toEqual(['back\\slash'])
    expect(await names({ search: "' or 1=1 --" })).toEqual([])
    expect(await names({ search: 'x'.repeat(100_000) })).toEqual([])
    expect(await names({ search: 'a\0' })).toEqual([])
    expect(await names({ search: '' })).toHaveLength(5)
  })

  it('is filtered by ids, type and status; an empty list matches nothing, and a list has an end', async () => {
    const { id } = await service.create(session, folder())
    await service.create(session, folder({ name: 'other' }))
    expect(await names({ ids: [id, id, 'x'] })).toEqual(['Partner A'])
    expect(await names({ ids: [] })).toEqual([])
    expect(await names({ type: ['MAILER'] })).toEqual([])
    expect(await names({ status: ['ENABLED'] })).toHaveLength(2)
    expect(await refusalOf(page({ ids: Array(20_000).fill('x') }))).toMatchObject([
      { code: 'LIMIT_EXCEEDED', path: ['filter', 'ids'], limit: 250, requested: 20_000 },
    ])
  })

  it.each([0, -1, 1_000_000])('refuses a page of %d', async (first) => {
    expect((await refusalOf(page({}, { first })))[0]?.message).toBe('first must be between 1 and 100.')
  })
})
