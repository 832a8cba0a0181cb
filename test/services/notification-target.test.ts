import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createMessenger } from '../../src/destinations/messenger.ts'
import { createOutbound } from '../../src/destinations/outbound.ts'
import { AccessError } from '../../src/domain/errors.ts'
import {
  type CreateNotificationTargetInput,
  notificationTargetService,
} from '../../src/services/notification-target.ts'
import { refusalOf, refusedPaths, withRoles } from '../support/building.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { notificationScene } from '../support/notification-scene.ts'
import { SECRET, type WebhookReceiver, webhookReceiver } from '../support/webhook-receiver.ts'

let test: TestDatabase
let service: ReturnType<typeof notificationTargetService>
let receiver: WebhookReceiver
beforeEach(async () => {
  test = await testDatabase()
  receiver = await webhookReceiver()
  service = notificationTargetService(test.ctx)
})
afterEach(async () => {
  await receiver.close()
  await test.dispose()
})
const input = (changes: Partial<CreateNotificationTargetInput> = {}): CreateNotificationTargetInput => ({
  name: ' Pager ',
  url: receiver.url,
  events: ['FAILURE', 'FAILURE', 'DELAY'],
  ...changes,
})
const target = async () => (await service.create(test.session, input({ secret: SECRET }))).target

it('is made with a secret of its own, which is shown once and sealed', async () => {
  const { target: made, secret } = await service.create(test.session, input())
  expect(made).toMatchObject({ name: 'Pager', events: ['FAILURE', 'DELAY'], dataflowIds: [] })
  expect(test.ctx.messenger.isSecret(secret ?? '')).toBe(true)
  expect(made.secret).not.toContain('whsec_')
  expect(test.ctx.vault.open(made.secret, made.id)).toBe(secret)
  expect((await service.create(test.session, input({ secret: SECRET }))).secret).toBeNull()
})

it('tells everything that is wrong at once', async () => {
  const bad = input({ name: '', url: 'ftp://x', events: [], secret: 'short', dataflowIds: ['flow_x'] })
  const paths = ['name', 'url', 'events', 'secret'].map((name) => `INVALID_INPUT input.${name}`)
  expect(await refusedPaths(service.create(test.session, bad))).toEqual([
    ...paths,
    'NOT_FOUND input.dataflowIds.0',
  ])
  const many = input({ dataflowIds: Array.from({ length: 251 }, (_, n) => `flow_${n}`) })
  expect(await refusedPaths(service.create(test.session, many))).toEqual(['LIMIT_EXCEEDED input.dataflowIds'])
})

it('is for administrators, and for those of its sandbox', async () => {
  const { id } = await target()
  for (const role of ['OPERATOR', 'VIEWER', 'PARTNER'] as const) {
    const session = withRoles(test.session, [role])
    for (const call of [
      () => service.create(session, input()),
      () => service.update(session, { id }),
      () => service.remove(session, id),
      () => service.test(session, id),
    ])
      await expect(call()).rejects.toThrow(AccessError)
  }
  const elsewhere = { ...test.session, sandbox: { id: 'sbx_2', name: 'x', title: 'X' } }
  expect(await refusedPaths(service.remove(elsewhere, id))).toEqual(['NOT_FOUND id'])
})

it('has at most 50 of a sandbox', async () => {
  for (let n = 0; n < 50; n += 1) await service.create(test.session, input())
  expect(await refusalOf(service.create(test.session, input()))).toMatchObject([
    { code: 'LIMIT_EXCEEDED', limit: 50, requested: 51 },
  ])
})

describe('an address that may not be reached', () => {
  it.each(['https://127.0.0.1/', 'https://169.254.169.254/', 'http://example.com/', 'https://[::1]:22/'])(
    'is refused when it is stored: %s',
    async (url) => {
      const messenger = createMessenger(createOutbound({ allow: [] }))
      const strict = notificationTargetService({ ...test.ctx, messenger })
      expect(await refusedPaths(strict.create(test.session, input({ url })))).toEqual([
        'INVALID_INPUT input.url',
      ])
      const { id } = await target()
      expect(await refusedPaths(strict.update(test.session, { id, url }))).toEqual([
        'INVALID_INPUT input.url',
      ])
    },
  )

  it('is refused when it is used, too', async () => {
    const { id } = await target()
    const messenger = createMessenger(createOutbound({ allow: [] }))
    const strict = notificationTargetService({ ...test.ctx, messenger })
    expect(await refusalOf(strict.test(test.session, id))).toMatchObject([
      { code: 'DESTINATION_REFUSED', detail: expect.stringContaining('127.0.0.1') },
    ])
    expect(receiver.requests).toEqual([])
  })
})

it('can be tried: a signed message for which nothing is to be done', async () => {
  const { id } = await target()
  await service.test(test.session, id)
  expect([...receiver.taken.values()].map(({ type }) => type)).toEqual(['endpoint.tested'])
  const other = await service.create(test.session, input())
  expect(await refusalOf(service.test(test.session, other.target.id))).toMatchObject([
    { code: 'DESTINATION_REFUSED', detail: expect.stringContaining('answered 401') },
  ])
})

it('with another secret is tried at once, and what is gone leaves nothing behind', async () => {
  const scene = await notificationScene(test)
  const made = await service.create(test.session, input())
  const { id } = made.target
  await scene.run(await scene.mapping(), 'FAILED')
  const notifier = await scene.notifier()
  notifier.start()
  await expect.poll(async () => (await scene.row(id)).lastError).toMatch(/answered 401/)
  await service.update(test.session, { id, secret: SECRET })
  await expect.poll(() => receiver.taken.size).toBe(1)
  await notifier.stop()

  await scene.run(await scene.mapping(), 'FAILED')
  expect((await scene.backlog()).news).toBeGreaterThan(0)
  await service.remove(test.session, id)
  expect(await scene.backlog()).toEqual({ news: 0, messages: 0 })
  expect(await test.database.db.select().from(test.database.tables.notificationStates)).toEqual([])
  await scene.run(await scene.mapping(), 'FAILED') // nobody wants to know
  expect((await scene.backlog()).news).toBe(0)
})
