import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { dataflowService } from '../../src/services/dataflow.ts'
import { destinationService } from '../../src/services/destination.ts'
import { segmentService } from '../../src/services/segment.ts'
import type { SegmentMappingInput } from '../../src/services/segment-mapping.ts'
import { mappingChangeStore } from '../../src/storage/mapping-change.ts'
import { segmentMappingStore } from '../../src/storage/segment-mapping.ts'
import { addSegment } from '../support/building.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

let test: TestDatabase
let woken: string[]
beforeEach(async () => {
  test = await testDatabase()
  woken = []
  const { notify } = test.database.wake
  test.database.wake.notify = (topic) => {
    woken.push(topic)
    notify(topic)
  }
})
afterEach(() => test.dispose())

const flows = () => dataflowService(test.ctx)
const segments = () => segmentService(test.ctx)
const schedule = { frequency: 'DAILY', startDate: '2026-01-04' } as const
const mapping = (segmentId: string, changes: Partial<SegmentMappingInput> = {}) => ({
  segmentId,
  schedule,
  ...changes,
})

async function aDestination(name = 'Partner'): Promise<string> {
  const input = { name, type: 'LOCAL_DIRECTORY', settings: { path: name } }
  return (await destinationService(test.ctx).create(test.session, input)).id
}
async function aDataflow(destinationId: string, mapped: SegmentMappingInput[] = []): Promise<string> {
  const fields = [{ source: 'email', target: 'email' }]
  const input = { name: 'Flow', destinationId, fields, segments: mapped }
  return (await flows().create(test.session, input)).id
}
const map = (dataflowId: string, ...mapped: SegmentMappingInput[]) =>
  flows().mapSegments(test.session, { dataflowId, segments: mapped })
const unmap = (dataflowId: string, ...ids: string[]) => flows().unmapSegments(test.session, dataflowId, ids)

/** The mappings behind a destination's changes after a place, once it is sure that their numbers have no gap. */
async function changed(destinationId: string, after = 0) {
  const rows = await mappingChangeStore(test.database).after(destinationId, after, 1000)
  expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, index) => after + index + 1))
  const [destination] = await test.database.db.select().from(test.database.tables.destinations)
  if (destination?.id === destinationId) expect(destination.changeSeq).toBe(after + rows.length)
  const found = await segmentMappingStore(test.database).byIds(
    test.sandboxId,
    rows.map(({ mappingId }) => mappingId),
  )
  return rows.map(({ mappingId }) => {
    const row = found.find(({ id }) => id === mappingId)
    return `${row?.elementName} ${row?.elementStatus}`
  })
}
const wakes = () => woken.splice(0).filter((topic) => topic.startsWith('mappings:'))

describe('the log of mapping changes', () => {
  it('has every mapping of a new dataflow', async () => {
    const destinationId = await aDestination()
    const [buyers, readers] = [
      await addSegment(test, { name: 'Buyers' }),
      await addSegment(test, { name: 'Readers' }),
    ]
    await aDataflow(destinationId, [mapping(buyers), mapping(readers, { elementName: 'R' })])
    expect((await changed(destinationId)).sort()).toEqual(['Buyers ACTIVE', 'R ACTIVE'])
    expect(wakes()).toEqual([`mappings:${destinationId}`])
  })

  it('goes on when segments are mapped, renamed for the partner, described, given an end, unmapped and mapped again', async () => {
    const destinationId = await aDestination()
    const id = await addSegment(test, { name: 'Buyers' })
    const flow = await aDataflow(destinationId)
    expect(await changed(destinationId)).toEqual([])
    const steps = [
      () => map(flow, mapping(id)),
      () => map(flow, mapping(id, { elementName: 'B' })),
      () => map(flow, mapping(id, { elementDescription: 'who bought' })),
      () => map(flow, mapping(id, { elementName: null })),
      () => map(flow, mapping(id, { schedule: { ...schedule, endDate: '2027-01-01' } })),
      () => unmap(flow, id),
      () => map(flow, mapping(id)),
    ]
    const told: string[] = []
    for (const [index, step] of steps.entries()) {
      await step()
      told.push(...(await changed(destinationId, index)))
      expect(wakes()).toEqual([`mappings:${destinationId}`])
    }
    expect(told).toEqual([
      'Buyers ACTIVE',
      'B ACTIVE',
      'B ACTIVE',
      'Buyers ACTIVE',
      'Buyers ACTIVE',
      'Buyers DELETED',
      'Buyers ACTIVE',
    ])
  })

  it('says nothing of an hour, of a file name, or of a change that changes nothing', async () => {
    const destinationId = await aDestination()
    const id = await addSegment(test)
    const flow = await aDataflow(destinationId, [mapping(id)])
    await map(flow, mapping(id, { filenameTemplate: 'x', exportMode: 'FIRST_FULL_THEN_INCREMENTAL' }))
    await map(flow, mapping(id, { schedule: { ...schedule, startTime: '07:00' }, elementName: 'Buyers' }))
    await segments().update(test.session, { id, name: 'Buyers', status: 'ACTIVE', description: null })
    await segments().update(test.session, {
      id,
      rule: { attribute: { path: 'n', operator: 'EXISTS' } },
    })
    expect(await changed(destinationId)).toEqual(['Buyers ACTIVE'])
  })

  it("follows a segment's name, description and status wherever it is mapped, and its end", async () => {
    const [a, b, c] = [await aDestination('a'), await aDestination('b'), await aDestination('c')]
    const [id, other] = [
      await addSegment(test, { name: 'Buyers' }),
      await addSegment(test, { name: 'Others' }),
    ]
    await aDataflow(a, [mapping(id), mapping(other)])
    await aDataflow(a, [mapping(id, { elementName: 'Own name' })])
    await aDataflow(b, [mapping(id)])
    await unmap(await aDataflow(c, [mapping(id)]), id)
    const seqs = { [a]: 3, [b]: 1, [c]: 2 }
    wakes()
    const told = async () => {
      const all: Record<string, string[]> = {}
      for (const [place, seq] of Object.entries(seqs)) {
        all[place] = (await changed(place, seq)).sort()
        seqs[place] = seq + all[place].length
      }
      return all
    }
    await segments().update(test.session, { id, name: 'Customers' })
    expect(await told()).toEqual({
      [a]: ['Customers ACTIVE', 'Own name ACTIVE'],
      [b]: ['Customers ACTIVE'],
      [c]: [],
    })
    expect(wakes().sort()).toEqual([a, b, c].map((place) => `mappings:${place}`).sort())
    await segments().update(test.session, { id, description: 'who bought' })
    expect(await told()).toEqual({
      [a]: ['Customers ACTIVE', 'Own name ACTIVE'],
      [b]: ['Customers ACTIVE'],
      [c]: [],
    })
    await segments().update(test.session, { id, status: 'INACTIVE' })
    expect(await told()).toEqual({
      [a]: ['Customers ACTIVE', 'Own name ACTIVE'],
      [b]: ['Customers ACTIVE'],
      [c]: [],
    })
    await segments().delete(test.session, id)
    expect(await told()).toEqual({
      [a]: ['Customers DELETED', 'Own name DELETED'],
      [b]: ['Customers DELETED'],
      [c]: [],
    })
  })

  it('lets a lookup of what changed since a moment find the same', async () => {
    const destinationId = await aDestination()
    test.setTime(new Date('2026-11-01'))
    const id = await addSegment(test, { name: 'Buyers' })
    await aDataflow(destinationId, [mapping(id)])
    test.setTime(new Date('2026-11-02'))
    await segments().update(test.session, { id, description: 'who bought' })
    const pages = await segmentMappingStore(test.database).pages(
      { parent: 'destination', ids: [destinationId] },
      {
        sandboxId: test.sandboxId,
        visible: null,
        filter: { updatedSince: new Date('2026-11-02') },
        args: {},
        maxPageSize: 100,
      },
    )
    expect(pages.get(destinationId)?.rows.map(({ elementName }) => elementName)).toEqual(['Buyers'])
  })

  it('does not give a mapping the name that its segment loses at the same moment', async () => {
    const destinationId = await aDestination()
    const id = await addSegment(test, { name: 'Old' })
    const flow = await aDataflow(destinationId)
    const { batch } = test.database
    test.database.batch = async (writes) => {
      test.database.batch = batch
      await segments().update(test.session, { id, name: 'New' })
      return batch(writes)
    }
    await map(flow, mapping(id))
    expect(await changed(destinationId)).toEqual(['New ACTIVE'])
  })

  it('numbers without gap or repeat however many write at once', async () => {
    const destinationId = await aDestination()
    const ids = await Promise.all(
      Array.from({ length: 12 }, (_, index) => addSegment(test, { name: `Segment ${index}` })),
    )
    const flow = await aDataflow(destinationId)
    const second = await aDataflow(destinationId)
    await Promise.all([
      ...ids.map((id) => map(flow, mapping(id))),
      ...ids.map((id) => map(second, mapping(id))),
      ...ids
        .slice(0, 4)
        .map((id, index) => segments().update(test.session, { id, name: `Renamed ${index}` })),
    ])
    await Promise.all(ids.map((id) => unmap(flow, id)))
    expect((await changed(destinationId)).length).toBeGreaterThanOrEqual(36)
  })
})
