import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Schedule } from '../../src/domain/model.ts'
import type { NewRow } from '../../src/storage/tables.ts'
import { worldOf } from '../support/activation.ts'
import { type TestGateway, type Tree, testGateway } from '../support/api.ts'

let gateway: TestGateway
beforeEach(async () => {
  gateway = await testGateway()
  gateway.test.setTime(new Date('2026-11-22T09:30:00.000Z'))
})
afterEach(() => gateway.dispose())

const at = (startTime: string, changes: Partial<Schedule> = {}): Schedule => ({
  frequency: 'DAILY',
  trigger: 'SCHEDULED',
  startDate: '2026-01-01',
  endDate: null,
  startTime,
  ...changes,
})

/** A dataflow whose segments have these schedules. */
async function aDataflow(
  name: string,
  mappings: Partial<NewRow<'segmentMappings'>>[],
  changes: { flow?: Partial<NewRow<'dataflows'>>; destination?: Partial<NewRow<'destinations'>> } = {},
) {
  const world = worldOf(gateway.test, gateway.test.sandboxId)
  const dataflow = await world.dataflow(await world.destination(changes.destination), {
    name,
    ...changes.flow,
  })
  for (const mapping of mappings) await world.map(dataflow, await world.segment(), mapping)
}
async function nextRuns(): Promise<Record<string, string | null>> {
  const { dataflows } = await gateway.data('{ dataflows(first: 100) { nodes { name nextRunAt } } }')
  return Object.fromEntries(dataflows.nodes.map(({ name, nextRunAt }: Tree) => [name, nextRunAt]))
}

it('is the earliest of the active mappings, and none where nothing would run', async () => {
  const daily = { schedule: at('12:00') }
  await aDataflow('earliest', [daily, { schedule: at('10:00') }, { schedule: at('09:00') }])
  await aDataflow('unmapped', [daily, { schedule: at('10:00'), elementStatus: 'DELETED' }])
  await aDataflow('over', [{ schedule: at('10:00', { endDate: '2026-11-22' }) }])
  await aDataflow('after evaluation', [
    { schedule: at('', { trigger: 'AFTER_SEGMENT_EVALUATION', startTime: null }) },
  ])
  await aDataflow('empty', [])
  await aDataflow('disabled', [daily], { flow: { state: 'DISABLED' } })
  await aDataflow('to nowhere', [daily], { destination: { status: 'DISABLED' } })
  expect(await nextRuns()).toEqual({
    earliest: '2026-11-22T10:00:00.000Z',
    unmapped: '2026-11-22T12:00:00.000Z',
    over: null,
    'after evaluation': null,
    empty: null,
    disabled: null,
    'to nowhere': null,
  })
})

it('is looked up once for many dataflows', async () => {
  for (let index = 0; index < 30; index += 1) await aDataflow(`flow ${index}`, [{ schedule: at('12:00') }])
  const { db } = gateway.test.database
  const { selectDistinct } = db
  let statements = 0
  db.selectDistinct = ((...args: Parameters<typeof selectDistinct>) => {
    statements += 1
    return selectDistinct.apply(db, args)
  }) as typeof selectDistinct
  expect(new Set(Object.values(await nextRuns()))).toEqual(new Set(['2026-11-22T12:00:00.000Z']))
  expect(statements).toBe(1)
})
