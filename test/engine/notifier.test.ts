import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Notifier } from '../../src/engine/notifier.ts'
import { StaleWrite } from '../../src/storage/database.ts'
import { LEASE_MS } from '../../src/storage/lease.ts'
import { notificationLease } from '../../src/storage/notification-lease.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { notificationScene } from '../support/notification-scene.ts'
import { type WebhookReceiver, webhookReceiver } from '../support/webhook-receiver.ts'

let test: TestDatabase
let scene: Awaited<ReturnType<typeof notificationScene>>
let receiver: WebhookReceiver
let running: Notifier[]
beforeEach(async () => {
  test = await testDatabase()
  scene = await notificationScene(test)
  receiver = await webhookReceiver()
  running = []
})
afterEach(async () => {
  for (const one of running) await one.stop()
  await receiver.close()
  await test.dispose()
})

async function start(): Promise<Notifier> {
  const one = await scene.notifier()
  running.push(one)
  one.start()
  return one
}
const told = () => [...receiver.taken.values()].map(({ type }) => type.replace('dataflow.', ''))
/** Waits until nothing waits any more. */
const settled = () => expect.poll(() => scene.backlog(), { timeout: 5_000 }).toEqual({ news: 0, messages: 0 })

describe('a change is told once', () => {
  it('however long a dataflow goes on failing, or succeeding, and by all of its segments', async () => {
    await scene.target(receiver.url, { events: ['SUCCESS', 'FAILURE'] })
    const first = await scene.mapping()
    const second = await scene.mapping(first.dataflowId)
    await start()
    await scene.run(first, 'SUCCESS')
    await scene.run(second, 'SUCCESS')
    await scene.run(first, 'FAILED')
    await scene.run(second, 'FAILED')
    await scene.run(first, 'FAILED')
    await scene.run(first, 'SUCCESS') // the other one still fails
    await scene.run(second, 'SUCCESS')
    await scene.run(second, 'SUCCESS')
    await settled()
    expect(told()).toEqual(['succeeded', 'failed', 'succeeded'])
  })

  it('when a dataflow begins to run, and not for what joins in', async () => {
    await scene.target(receiver.url, { events: ['START'] })
    const one = await scene.mapping()
    const other = await scene.mapping(one.dataflowId)
    await scene.queued(one)
    await scene.queued(other)
    const claims = [await scene.start(), await scene.start()]
    for (const claim of claims) await scene.end(claim, { status: 'SUCCESS' })
    await scene.run(one, 'SUCCESS')
    await start()
    await settled()
    expect(told()).toEqual(['started', 'started'])
  })

  it('when more than 1 % of a run is skipped, and when that ends', async () => {
    await scene.target(receiver.url, { events: ['SKIPPED_RATE'] })
    const mapping = await scene.mapping()
    await start()
    for (const [excluded, failed] of [
      [10, 0],
      [10, 1],
      [500, 0],
      [0, 11],
    ] as const)
      await scene.run(mapping, { excluded, failed })
    await scene.run(mapping, 'FAILED') // says nothing of that
    await scene.run(mapping, { excluded: 5, failed: 5 })
    await scene.run(mapping, 'SUCCESS')
    await settled()
    expect(told()).toEqual(['skipped_rate_exceeded', 'skipped_rate_normal'])
  })

  it('when a slot is late, and when it is dealt with', async () => {
    await scene.target(receiver.url, { events: ['DELAY'] })
    const mapping = await scene.mapping()
    await start()
    const dueAt = new Date(test.ctx.clock().getTime() - 3_600_000)
    await scene.queued(mapping, { isLate: true, dueAt })
    await scene.end(await scene.start(), { status: 'SUCCESS' })
    await scene.run(mapping, 'SUCCESS') // in time
    await settled()
    expect(told()).toEqual(['delayed', 'delay_ended'])
  })

  it('when a run has not ended 150 minutes after its slot, by the clock', async () => {
    const now = new Date('2026-11-23T12:00:00Z')
    test.setTime(now)
    await scene.target(receiver.url, { events: ['DELAY'] })
    const mapping = await scene.mapping()
    await scene.queued(mapping, { dueAt: now })
    await start()
    test.setTime(new Date(now.getTime() + 150 * 60_000))
    await settled()
    expect(told()).toEqual([])
    for (const minutes of [152, 154, 156]) {
      test.setTime(new Date(now.getTime() + minutes * 60_000))
      await expect.poll(told, { timeout: 5_000 }).toEqual(['delayed'])
    }
    await scene.end(await scene.start(), { status: 'SUCCESS' })
    await expect.poll(told).toEqual(['delayed', 'delay_ended'])
  })

  it('though the segment that failed is not of the dataflow any more', async () => {
    await scene.target(receiver.url, { events: ['FAILURE'] })
    const kept = await scene.mapping()
    const taken = await scene.mapping(kept.dataflowId)
    await scene.run(taken, 'FAILED')
    await start()
    await settled()
    await scene.unmap(taken)
    await scene.run(kept, 'SUCCESS')
    await settled()
    expect(told()).toEqual(['failed', 'succeeded'])
  })

  it('to those who want to know, of the dataflows that they name', async () => {
    const [one, other] = [await scene.mapping(), await scene.mapping()]
    await scene.run(one, 'FAILED') // before anybody wanted to know
    await scene.target(receiver.url, { events: ['FAILURE'], dataflowIds: [] })
    const named = await scene.target(receiver.url, { events: ['FAILURE'] })
    await test.database.batch([
      test.database.db
        .update(test.database.tables.notificationTargets)
        .set({ dataflowIds: [other.dataflowId] }),
    ])
    await start()
    await scene.run(one, 'FAILED')
    await scene.run(other, 'FAILED')
    await settled()
    expect([...receiver.taken.keys()].sort()).toHaveLength(2)
    expect((await scene.row(named.id)).sentSeq).toBe(1)
  })
})

describe('delivery', () => {
  it('repeats a message under its id until it is taken, in order, and shows how that goes', async () => {
    const { id } = await scene.target(receiver.url)
    const mapping = await scene.mapping()
    receiver.answers.push({ status: 503, body: 'busy', headers: { 'retry-after': '600' } })
    const now = new Date('2026-11-23T12:00:00Z')
    test.setTime(now)
    await scene.run(mapping, 'FAILED')
    await start()
    await expect.poll(async () => (await scene.row(id)).lastError).toBe('The endpoint answered 503: busy')
    expect(await scene.row(id)).toMatchObject({
      attempt: 1,
      failingSince: now,
      retryAt: new Date(now.getTime() + 600_000),
      lastDeliveredAt: null,
      leaseOwner: null,
    })
    const later = new Date(now.getTime() + 600_000)
    test.setTime(later)
    await settled()
    expect(told()).toEqual(['started', 'failed'])
    const [first, again] = receiver.requests
    expect(again).toBe(first)
    expect([...receiver.taken.keys()]).toEqual([`${id}_1`, `${id}_2`])
    await expect
      .poll(() => scene.row(id))
      .toMatchObject({ attempt: 0, failingSince: null, lastError: null, lastDeliveredAt: later })
  })

  it('waits longer from attempt to attempt, and holds up no other target', async () => {
    const silent = await webhookReceiver()
    await silent.close()
    const dead = await scene.target(silent.url)
    await scene.target(receiver.url)
    const mapping = await scene.mapping()
    const from = new Date('2026-11-23T12:00:00Z').getTime()
    let now = from
    test.setTime(new Date(now))
    await scene.run(mapping, 'FAILED')
    await start()
    const waits: number[] = []
    for (let attempt = 1; attempt <= 10; attempt += 1) {
      await expect.poll(async () => (await scene.row(dead.id)).attempt, { timeout: 5_000 }).toBe(attempt)
      const { retryAt } = await scene.row(dead.id)
      waits.push(((retryAt?.getTime() ?? 0) - now) / 1000)
      now = retryAt?.getTime() ?? 0
      test.setTime(new Date(now))
    }
    expect(waits).toEqual([5, 10, 20, 40, 80, 160, 320, 640, 900, 900])
    expect(told()).toEqual(['started', 'failed'])
    // After three days they are given up, and counted.
    test.setTime(new Date(from + 3 * 86_400_000 + 1))
    await settled()
    expect(await scene.row(dead.id)).toMatchObject({ dropped: 2, sentSeq: 2, queuedSeq: 2 })
  })

  it('of what waits is bounded: a state that lasts is told when there is room again', async () => {
    const { id } = await scene.target(receiver.url, { events: ['FAILURE'] })
    const { notificationTargets: targets } = test.database.tables
    const set = (change: object) => test.database.batch([test.database.db.update(targets).set(change)])
    await set({ queuedSeq: 1_000, retryAt: new Date('2999-01-01') })
    const mapping = await scene.mapping()
    await start()
    await scene.run(mapping, 'FAILED')
    await expect.poll(() => scene.row(id)).toMatchObject({ dropped: 1, queuedSeq: 1_000 })
    await set({ sentSeq: 1_000, retryAt: null })
    await scene.run(mapping, 'FAILED')
    await settled()
    expect(told()).toEqual(['failed'])
    expect([...receiver.taken.keys()]).toEqual([`${id}_1001`])
  })

  it('by two processes comes once, and in order', async () => {
    const { id } = await scene.target(receiver.url, { events: ['FAILURE'] })
    const mapping = await scene.mapping()
    for (let n = 0; n < 2; n += 1) await start()
    const expected: string[] = []
    for (let n = 0; n < 30; n += 1) {
      await scene.run(mapping, n % 2 === 0 ? 'FAILED' : 'SUCCESS')
      expected.push(`${id}_${n + 1}`)
    }
    await settled()
    expect(receiver.requests.map((request) => request.split(' ')[0])).toEqual(expected)
    expect(told()).toEqual(expected.map((_, n) => (n % 2 === 0 ? 'failed' : 'succeeded')))
  })

  it('of a process that was thought dead changes nothing', async () => {
    const { id } = await scene.target(receiver.url, { events: ['FAILURE'] })
    await scene.run(await scene.mapping(), 'FAILED')
    const sorting = await start()
    receiver.isSilent = true
    await expect.poll(() => receiver.requests.length).toBe(1)
    await sorting.stop()

    const now = test.ctx.clock()
    const later = new Date(now.getTime() + LEASE_MS + 1)
    await test.database.life.register('proc_frozen')
    const [frozen, next] = ['proc_frozen', 'proc_next'].map((one) => notificationLease(test.database, one))
    const old = (await frozen!.claim(now))!
    expect(await next!.claim(now)).toBeNull()
    expect(await next!.claim(later)).toMatchObject({ id, fence: old.fence + 1 })
    for (const write of [
      () => frozen!.sent(old, 1, later),
      () => frozen!.failed(old, { attempt: 1, since: now, retryAt: later, message: 'x' }),
      () => frozen!.dropped(old, 1, later),
      () => frozen!.release(old),
    ])
      await expect(write()).rejects.toThrow(StaleWrite)
    expect(await scene.row(id)).toMatchObject({ sentSeq: 0, attempt: 0, leaseOwner: 'proc_next' })
    expect(await scene.backlog()).toEqual({ news: 0, messages: 1 })
  })
})
