import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Frequency, Schedule } from '../../src/domain/model.ts'
import { activationService } from '../../src/services/activation.ts'
import { activated, aWorld, worldOf } from '../support/activation.ts'
import { type TestGateway, testGateway } from '../support/api.ts'
import { aSchedule, aScheduler, finishRuns } from '../support/schedule.ts'

let gateway: TestGateway
let world: Awaited<ReturnType<typeof aWorld>>
beforeEach(async () => {
  gateway = await testGateway()
  at('2026-03-01T00:30:00.000Z')
  world = await aWorld(gateway.test, { segments: 0 })
})
afterEach(() => gateway.dispose())

const at = (time: string) => gateway.test.setTime(new Date(time))
const tick = () => aScheduler(gateway.test).tick()
const map = async (frequency: Frequency = 'DAILY', changes: Partial<Schedule> = {}) =>
  world.map(world.dataflow, await world.segment(), {
    schedule: aSchedule(frequency, changes),
    slotsUntil: gateway.test.ctx.clock(),
  })
async function standing() {
  const { dataflow } = await gateway.data(
    'query ($id: ID!) { dataflow(id: $id) { health missedSlots lastSuccessAt } }',
    { id: world.dataflow.id },
  )
  return [dataflow.health, dataflow.missedSlots, dataflow.lastSuccessAt?.slice(0, 16) ?? null]
}

it('is healthy as long as every slot that has come was run', async () => {
  expect(await standing()).toEqual(['HEALTHY', 0, null])
  await map()
  expect(await standing()).toEqual(['HEALTHY', 0, null])
  at('2026-03-01T06:00:00.000Z')
  await tick()
  expect(await standing()).toEqual(['HEALTHY', 0, null])
  await finishRuns(gateway.test)
  expect(await standing()).toEqual(['HEALTHY', 0, '2026-03-01T06:00'])
})

it('is late by the clock alone when nobody looks after the slots, and tells what was missed for a month', async () => {
  await map('EVERY_3_HOURS', { startTime: '00:00' })
  at('2026-03-01T03:14:00.000Z')
  expect(await standing()).toEqual(['HEALTHY', 0, null])
  at('2026-03-01T03:16:00.000Z')
  expect(await standing()).toEqual(['LATE', 1, null])
  at('2026-03-03T00:20:00.000Z')
  expect(await standing()).toEqual(['LATE', 16, null])
  await tick()
  expect(await standing(), 'its run is late, and has not ended').toEqual(['LATE', 15, null])
  await finishRuns(gateway.test)
  expect(await standing()).toEqual(['HEALTHY', 15, '2026-03-03T00:20'])
  const { runs } = await gateway.data('{ runs { nodes { trigger mode dueAt isLate missedSlots } } }')
  const dueAt = '2026-03-03T00:00:00.000Z'
  expect(runs.nodes).toEqual([{ trigger: 'SCHEDULED', mode: 'FULL', dueAt, isLate: true, missedSlots: 15 }])
  at('2026-04-02T00:05:00.000Z')
  await tick()
  await finishRuns(gateway.test)
  at('2026-05-03T00:00:00.000Z')
  expect((await standing())[1]).toBe(31 * 8 - 1)
})

it('is late when a run waits for a worker or for another run, and not while one is at work', async () => {
  const { segmentId } = await map()
  const input = { activations: [{ dataflowId: world.dataflow.id, segmentIds: [segmentId] }] }
  activated(await activationService(gateway.test.ctx).activate(gateway.test.session, input))
  at('2026-03-01T06:00:00.000Z')
  await tick()
  at('2026-03-01T06:15:01.000Z')
  expect(await standing()).toEqual(['LATE', 0, null])
  await finishRuns(gateway.test)
  expect(await standing()).toEqual(['HEALTHY', 0, '2026-03-01T06:15'])
})

it('fails as long as the newest scheduled run of a segment has failed', async () => {
  await map()
  const failing = await map()
  const day = async (date: string, outcome: 'SUCCESS' | 'FAILED') => {
    at(`${date}T06:00:00.000Z`)
    await tick()
    await finishRuns(gateway.test, ({ mappingId }) => (mappingId === failing.id ? outcome : 'SUCCESS'))
    return standing()
  }
  expect(await day('2026-03-01', 'FAILED')).toEqual(['FAILING', 0, '2026-03-01T06:00'])
  expect(await day('2026-03-02', 'SUCCESS')).toEqual(['HEALTHY', 0, '2026-03-02T06:00'])
})

it('is paused while the dataflow or its destination is disabled, and misses nothing', async () => {
  await map()
  const { dataflow, destination } = gateway.parts.services
  const { session } = gateway.test
  await dataflow.disable(session, world.dataflow.id)
  at('2026-03-05T12:00:00.000Z')
  expect(await standing()).toEqual(['PAUSED', 0, null])
  await dataflow.enable(session, world.dataflow.id)
  expect(await standing()).toEqual(['HEALTHY', 0, null])
  const { id } = world.destination
  await destination.update(session, { id, status: 'DISABLED' })
  at('2026-03-09T12:00:00.000Z')
  expect(await standing()).toEqual(['PAUSED', 0, null])
  await destination.update(session, { id, status: 'ENABLED' })
  expect(await standing()).toEqual(['HEALTHY', 0, null])
})

it('is late when a day goes by without the evaluation that a segment is sent after', async () => {
  await map('DAILY', { trigger: 'AFTER_SEGMENT_EVALUATION', startTime: null })
  at('2026-03-02T23:59:00.000Z')
  expect(await standing()).toEqual(['HEALTHY', 0, null])
  at('2026-03-03T00:16:00.000Z')
  expect(await standing()).toEqual(['LATE', 1, null])
})

it('is looked up once for many dataflows', async () => {
  const { dataflow: make } = worldOf(gateway.test, gateway.test.sandboxId)
  for (let index = 0; index < 20; index += 1) {
    await world.map(await make(world.destination, { name: `Flow ${index}` }), await world.segment())
  }
  const { db } = gateway.test.database
  const { select } = db
  let statements = 0
  db.select = ((...args: Parameters<typeof select>) => {
    if (args[0] && 'lastSuccessAt' in args[0]) statements += 1
    return select.apply(db, args)
  }) as typeof select
  const { dataflows } = await gateway.data(
    '{ dataflows(first: 50) { nodes { health missedSlots lastSuccessAt } } }',
  )
  expect(dataflows.nodes).toHaveLength(21)
  expect(statements).toBe(1)
})
