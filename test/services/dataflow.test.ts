import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Session } from '../../src/domain/access.ts'
import { AccessError } from '../../src/domain/errors.ts'
import { type CreateDataflowInput, dataflowService } from '../../src/services/dataflow.ts'
import { destinationService } from '../../src/services/destination.ts'
import { segmentService } from '../../src/services/segment.ts'
import type { SegmentMappingInput } from '../../src/services/segment-mapping.ts'
import { dataflowStore } from '../../src/storage/dataflow.ts'
import { segmentStore } from '../../src/storage/segment.ts'
import { segmentMappingStore } from '../../src/storage/segment-mapping.ts'
import {
  addAccount,
  addSegment,
  buildingContext,
  refusalOf,
  refusedPaths,
  withRoles,
} from '../support/building.ts'
import { addSandbox, adminSession, type TestDatabase, testDatabase } from '../support/database.ts'

let test: TestDatabase
let session: Session
let service: ReturnType<typeof dataflowService>
let destinationId: string
beforeEach(async () => {
  test = await testDatabase()
  session = test.session
  const ctx = buildingContext(test, { maxSegmentsPerDestination: 3, maxFieldsPerDataflow: 4 })
  service = dataflowService(ctx)
  const input = { name: 'Partner A', type: 'LOCAL_DIRECTORY', settings: { path: 'a' } }
  destinationId = (await destinationService(ctx).create(session, input)).id
})
afterEach(() => test.dispose())

const schedule = { frequency: 'DAILY', startDate: '2026-01-04' } as const
const flow = (changes: Partial<CreateDataflowInput> = {}): CreateDataflowInput => ({
  name: 'Nightly',
  destinationId,
  fields: [
    { source: 'person.email', target: 'email', required: true },
    { source: 'crm_id', target: 'id' },
  ],
  ...changes,
})
const mapping = (segmentId: string, changes: Partial<SegmentMappingInput> = {}): SegmentMappingInput => ({
  segmentId,
  schedule,
  ...changes,
})
const mappingsOf = (dataflowId: string) =>
  segmentMappingStore(test.database).byDataflows(test.sandboxId, [dataflowId])
async function mailingList(): Promise<string> {
  const accountId = await addAccount(test)
  const destinations = destinationService(buildingContext(test))
  const input = { name: 'List', type: 'MAILER', accountId, settings: { listId: 1 } }
  return (await destinations.create(session, input)).id
}

describe('creating a dataflow', () => {
  it('enables it, with defaults for everything that is left out', async () => {
    expect(await service.create(session, flow())).toMatchObject({
      name: 'Nightly',
      description: null,
      destinationId,
      state: 'ENABLED',
      fields: [
        { source: 'person.email', target: 'email', required: true },
        { source: 'crm_id', target: 'id', required: false },
      ],
      deduplicateBy: [],
      consentAttribute: null,
      fileFormat: { type: 'CSV', compression: 'NONE', delimiter: ',', maxRowsPerFile: 5_000_000 },
    })
  })

  it('maps its segments in the same step, or makes nothing at all', async () => {
    const segmentId = await addSegment(test, { name: 'Buyers' })
    const made = await service.create(session, flow({ segments: [mapping(segmentId)] }))
    expect(await mappingsOf(made.id)).toMatchObject([
      {
        segmentId,
        destinationId,
        number: 1,
        elementName: 'Buyers',
        elementStatus: 'ACTIVE',
        exportMode: 'DAILY_FULL_EXPORT',
        filenameTemplate: null,
        schedule: { trigger: 'SCHEDULED', startTime: '00:00' },
      },
    ])
    const refused = service.create(session, flow({ segments: [mapping(segmentId), mapping('seg_none')] }))
    expect(await refusedPaths(refused)).toEqual(['NOT_FOUND input.segments.1.segmentId'])
    const page = await dataflowStore(test.database).page({
      sandboxId: test.sandboxId,
      args: {},
      maxPageSize: 100,
    })
    expect(page.rows.map(({ id }) => id)).toEqual([made.id])
  })

  it('names everything that is wrong in one answer, with its place', async () => {
    const good = await addSegment(test)
    const deleted = await addSegment(test, { status: 'DELETED' })
    const input = flow({
      name: '\t',
      description: 'x'.repeat(2001),
      fields: [
        { source: 'a..b', target: 'a' },
        { source: 'b', target: ' ' },
        { source: 'c', target: 'one\ntwo' },
        { source: 'd', target: 'a' },
      ],
      consentAttribute: '.',
      fileFormat: { delimiter: '-', maxRowsPerFile: 0 },
      segments: [
        mapping(good, { filenameTemplate: '.x/%WHAT%' }),
        mapping(good, { schedule: { ...schedule, startTime: '12:30', endDate: '2023-02-30' } }),
        mapping(deleted, { elementName: '', elementDescription: 'a\0b' }),
      ],
    })
    expect(await refusedPaths(service.create(session, input))).toEqual([
      'INVALID_INPUT input.fields.0.source',
      'INVALID_INPUT input.fields.1.target',
      'INVALID_INPUT input.fields.2.target',
      'INVALID_INPUT input.fields.3.target',
      'INVALID_INPUT input.fileFormat.delimiter',
      'INVALID_INPUT input.fileFormat.maxRowsPerFile',
      'INVALID_INPUT input.name',
      'INVALID_INPUT input.description',
      'INVALID_INPUT input.consentAttribute',
      'INVALID_INPUT input.segments.0.filenameTemplate',
      'INVALID_INPUT input.segments.0.filenameTemplate',
      'INVALID_INPUT input.segments.1.segmentId',
      'INVALID_INPUT input.segments.1.schedule.endDate',
      'INVALID_INPUT input.segments.1.schedule.startTime',
      'NOT_FOUND input.segments.2.segmentId',
      'INVALID_INPUT input.segments.2.elementName',
      'INVALID_INPUT input.segments.2.elementDescription',
    ])
  })

  it('counts the fields', async () => {
    const fields = Array.from({ length: 20_000 }, (_, i) => ({ source: `f${i}`, target: `f${i}` }))
    expect(await refusedPaths(service.create(session, flow({ fields: [] })))).toEqual([
      'INVALID_INPUT input.fields',
    ])
    expect(await refusalOf(service.create(session, flow({ fields })))).toMatchObject([
      { code: 'LIMIT_EXCEEDED', path: ['input', 'fields'], limit: 4, requested: 20_000 },
    ])
  })

  it('deduplicates by at most two attributes that are sent', async () => {
    const create = (deduplicateBy: string[]) => service.create(session, flow({ deduplicateBy }))
    const twice = await create(['crm_id', 'crm_id', 'person.email'])
    expect(twice.deduplicateBy).toEqual(['crm_id', 'person.email'])
    expect(await refusedPaths(create(['crm_id', 'phone']))).toEqual(['INVALID_INPUT input.deduplicateBy.1'])
    expect(await refusedPaths(create(['a', 'b', 'c']))).toEqual(['LIMIT_EXCEEDED input.deduplicateBy'])
  })

  it('sends contacts to the fields that the destination has, and no files', async () => {
    const list = await mailingList()
    const fields = [{ source: 'name', target: 'nickname' }]
    const create = service.create(session, flow({ destinationId: list, fields, fileFormat: {} }))
    expect(await refusedPaths(create)).toEqual([
      'INVALID_INPUT input.fields.0.target',
      'INVALID_INPUT input.fields',
      'INVALID_INPUT input.fileFormat',
    ])
    const email = [{ source: 'person.email', target: 'email' }]
    const made = await service.create(session, flow({ destinationId: list, fields: email }))
    expect(made.fileFormat).toBeNull()
  })

  it('does not find destinations of other sandboxes, and refuses removed ones', async () => {
    const other = adminSession(await addSandbox(test.database, 'dev'))
    expect(await refusedPaths(service.create(other, flow()))).toEqual(['NOT_FOUND input.destinationId'])
    await destinationService(test.ctx).remove(session, destinationId)
    expect(await refusalOf(service.create(session, flow()))).toMatchObject([
      { code: 'CONFLICT', path: ['input', 'destinationId'], nodeId: destinationId },
    ])
  })

  it('is for administrators and operators', async () => {
    await expect(service.create(withRoles(session, ['VIEWER']), flow())).rejects.toThrow(AccessError)
    expect((await service.create(withRoles(session, ['OPERATOR']), flow())).state).toBe('ENABLED')
  })
})

describe('changing a dataflow', () => {
  it('leaves what is absent or null, and clears a null description or consent attribute', async () => {
    const { id } = await service.create(
      session,
      flow({ description: 'x', consentAttribute: 'optIn', fileFormat: { compression: 'GZIP' } }),
    )
    const renamed = await service.update(session, { id, name: ' B ', fields: null, fileFormat: null })
    expect(renamed).toMatchObject({ name: 'B', description: 'x', consentAttribute: 'optIn' })
    expect(renamed.fileFormat?.compression).toBe('GZIP')
    const cleared = await service.update(session, { id, description: null, consentAttribute: null })
    expect(cleared).toMatchObject({ name: 'B', description: null, consentAttribute: null })
  })

  it('keeps deduplicating by what is sent', async () => {
    const { id } = await service.create(session, flow({ deduplicateBy: ['crm_id'] }))
    const fields = [{ source: 'phone', target: 'phone' }]
    expect(await refusedPaths(service.update(session, { id, fields }))).toEqual([
      'INVALID_INPUT input.fields',
    ])
    expect((await service.update(session, { id, fields, deduplicateBy: [] })).deduplicateBy).toEqual([])
  })

  it('loses neither of two concurrent changes', async () => {
    const { id } = await service.create(session, flow())
    await Promise.all([
      service.update(session, { id, name: 'B' }),
      service.update(session, { id, consentAttribute: 'optIn' }),
    ])
    expect(await service.update(session, { id })).toMatchObject({ name: 'B', consentAttribute: 'optIn' })
  })

  it('loses neither of two changes in the same millisecond', async () => {
    const still = dataflowService({ ...buildingContext(test), clock: () => new Date('2026-02-01T00:00:00Z') })
    const { id } = await still.create(session, flow())
    await Promise.all([
      still.update(session, { id, name: 'B' }),
      still.update(session, { id, consentAttribute: 'optIn' }),
    ])
    expect(await still.update(session, { id })).toMatchObject({ name: 'B', consentAttribute: 'optIn' })
  })

  it('is disabled and enabled', async () => {
    const { id } = await service.create(session, flow())
    expect((await service.disable(session, id)).state).toBe('DISABLED')
    expect((await service.enable(session, id)).state).toBe('ENABLED')
    expect(await refusedPaths(service.enable(session, 'flow_none'))).toEqual(['NOT_FOUND id'])
  })
})

describe('a dataflow on an account', () => {
  it('is built on by operators whom the account is shared with, and stopped by any', async () => {
    const mailer = await mailingList()
    const operator = withRoles(session, ['OPERATOR'])
    const fields = [{ source: 'mail', target: 'email', required: true }]
    const { id } = await service.create(session, flow({ destinationId: mailer, fields }))
    const segmentId = await addSegment(test)
    const uses = [
      () => service.create(operator, flow({ destinationId: mailer, fields })),
      () => service.update(operator, { id, fields }),
      () => service.mapSegments(operator, { dataflowId: id, segments: [mapping(segmentId)] }),
      () => service.enable(operator, id),
    ]
    await service.mapSegments(session, { dataflowId: id, segments: [mapping(segmentId)] })
    await service.unmapSegments(operator, id, [segmentId])
    expect((await service.disable(operator, id)).state).toBe('DISABLED')
    for (const use of uses) await expect(use()).rejects.toThrow(AccessError)
    const { db, tables } = test.database
    await test.database.batch([db.update(tables.destinationAccounts).set({ sharedWith: ['OPERATOR'] })])
    for (const use of uses) await use()
  })
})

describe('mapping segments', () => {
  it('starts the clock, keeps it while the segment stays mapped, and starts it anew afterwards', async () => {
    const { id: dataflowId } = await service.create(session, flow())
    const segmentId = await addSegment(test)
    const only = async () => (await mappingsOf(dataflowId))[0]!
    test.setTime(new Date('2026-01-01T10:00:00Z'))
    await service.mapSegments(session, {
      dataflowId,
      segments: [mapping(segmentId, { elementName: 'Mine' })],
    })
    const first = await only()
    expect(first.adHocAllowedFrom).toEqual(new Date('2026-01-01T10:20:00Z'))

    test.setTime(new Date('2026-01-01T11:00:00Z'))
    const rescheduled = mapping(segmentId, {
      schedule: { frequency: 'EVERY_6_HOURS', startDate: '2026-02-01' },
      exportMode: 'FIRST_FULL_THEN_INCREMENTAL',
      filenameTemplate: '%SEGMENT_ID%',
    })
    await service.mapSegments(session, { dataflowId, segments: [rescheduled] })
    expect(await only()).toMatchObject({
      id: first.id,
      elementName: 'Mine',
      filenameTemplate: '%SEGMENT_ID%',
      schedule: { frequency: 'EVERY_6_HOURS' },
      activatedAt: first.activatedAt,
      adHocAllowedFrom: first.adHocAllowedFrom,
      updatedAt: new Date('2026-01-01T11:00:00Z'),
    })

    await service.unmapSegments(session, dataflowId, [segmentId, segmentId])
    expect((await only()).elementStatus).toBe('DELETED')

    test.setTime(new Date('2026-01-02T10:00:00Z'))
    await service.mapSegments(session, { dataflowId, segments: [mapping(segmentId)] })
    expect(await only()).toMatchObject({
      id: first.id,
      number: first.number,
      elementName: 'Buyers',
      elementStatus: 'ACTIVE',
      exportMode: 'DAILY_FULL_EXPORT',
      filenameTemplate: null,
      activatedAt: new Date('2026-01-02T10:00:00Z'),
      adHocAllowedFrom: new Date('2026-01-02T10:20:00Z'),
    })
  })

  it('stops at the limit of the destination, over all dataflows and for concurrent callers', async () => {
    const flows = await Promise.all([service.create(session, flow()), service.create(session, flow())])
    const segments = await Promise.all([1, 2, 3, 4].map(() => addSegment(test)))
    const settled = await Promise.allSettled(
      segments.map((segmentId, index) =>
        service.mapSegments(session, { dataflowId: flows[index % 2]!.id, segments: [mapping(segmentId)] }),
      ),
    )
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
    const mapped = (await Promise.all(flows.map(({ id }) => mappingsOf(id)))).flat()
    expect(mapped.map(({ number }) => number).toSorted()).toEqual([1, 2, 3])
    const left = segments.find((id) => mapped.every(({ segmentId }) => segmentId !== id))!
    const again = mapped[0]!
    const dataflowId = again.dataflowId
    expect(
      await refusalOf(service.mapSegments(session, { dataflowId, segments: [mapping(left)] })),
    ).toMatchObject([{ code: 'LIMIT_EXCEEDED', path: ['input', 'segments'], limit: 3, requested: 4 }])
    await service.mapSegments(session, { dataflowId, segments: [mapping(again.segmentId)] })
  })

  it('maps no segment that is deleted at the same time', async () => {
    const { id } = await service.create(session, flow())
    const segments = segmentService(buildingContext(test))
    for (let attempt = 0; attempt < 5; attempt += 1) {
      const segmentId = await addSegment(test)
      const mapped = service.mapSegments(session, { dataflowId: id, segments: [mapping(segmentId)] })
      await Promise.allSettled([mapped, segments.delete(session, segmentId)])
      const [segment] = await segmentStore(test.database).byIds(test.sandboxId, [segmentId])
      const mappings = (await mappingsOf(id)).filter((row) => row.segmentId === segmentId)
      expect(segment?.status).toBe('DELETED')
      expect(mappings.filter(({ elementStatus }) => elementStatus === 'ACTIVE')).toEqual([])
    }
  })

  it('maps a segment once when two callers do it at the same time', async () => {
    const { id: dataflowId } = await service.create(session, flow())
    const segments = [mapping(await addSegment(test))]
    await Promise.all([1, 2, 3].map(() => service.mapSegments(session, { dataflowId, segments })))
    expect(await mappingsOf(dataflowId)).toHaveLength(1)
  })

  it('refuses lists that are empty or too long', async () => {
    const { id: dataflowId } = await service.create(session, flow())
    const map = (segments: SegmentMappingInput[]) =>
      refusedPaths(service.mapSegments(session, { dataflowId, segments }))
    expect(await map([])).toEqual(['INVALID_INPUT input.segments'])
    expect(await map(Array(20_000).fill(mapping('x')))).toEqual(['LIMIT_EXCEEDED input.segments'])
    const unmap = (ids: string[]) => refusedPaths(service.unmapSegments(session, dataflowId, ids))
    expect(await unmap([])).toEqual(['INVALID_INPUT segmentIds'])
    expect(await unmap(Array(251).fill('x'))).toEqual(['LIMIT_EXCEEDED segmentIds'])
  })

  it('does not find what is elsewhere, and says so at its place', async () => {
    const { id: dataflowId } = await service.create(session, flow())
    const sandbox = await addSandbox(test.database, 'dev')
    const mine = await addSegment(test)
    const foreign = await addSegment({ ...test, sandboxId: sandbox.id })
    const map = { dataflowId, segments: [mapping(mine), mapping(foreign)] }
    expect(await refusedPaths(service.mapSegments(session, map))).toEqual([
      'NOT_FOUND input.segments.1.segmentId',
    ])
    expect(await refusedPaths(service.mapSegments(adminSession(sandbox), map))).toEqual([
      'NOT_FOUND input.dataflowId',
    ])
    expect(await refusedPaths(service.unmapSegments(session, dataflowId, [foreign, mine]))).toEqual([
      'NOT_FOUND segmentIds.0',
      'NOT_FOUND segmentIds.1',
    ])
  })

  it('wakes those who watch the destination', async () => {
    const { id: dataflowId } = await service.create(session, flow())
    const segments = [mapping(await addSegment(test))]
    let woken = false
    const waiting = test.database.wake.wait(`mappings:${destinationId}`, 60_000).then(() => {
      woken = true
    })
    await service.mapSegments(session, { dataflowId, segments })
    await waiting
    expect(woken).toBe(true)
  })
})

describe('lists', () => {
  it('find dataflows by destination, mapped segment, state and name', async () => {
    const segmentId = await addSegment(test)
    const a = await service.create(session, flow({ name: 'Alpha_1', segments: [mapping(segmentId)] }))
    const b = await service.create(session, flow({ name: 'Beta' }))
    await service.disable(session, b.id)
    const store = dataflowStore(test.database)
    const names = async (filter = {}) => {
      const orderBy = { field: 'NAME', direction: 'DESC' } as const
      const page = await store.page({
        sandboxId: test.sandboxId,
        filter,
        orderBy,
        args: {},
        maxPageSize: 100,
      })
      return page.rows.map(({ name }) => name)
    }
    expect(await names({ destinationId })).toEqual(['Beta', 'Alpha_1'])
    expect(await names({ destinationId: 'dst_none' })).toEqual([])
    expect(await names({ segmentId })).toEqual(['Alpha_1'])
    expect(await names({ state: ['DISABLED'] })).toEqual(['Beta'])
    expect(await names({ search: 'a_1' })).toEqual(['Alpha_1'])
    expect(await names({ search: '%' })).toEqual([])
    await service.unmapSegments(session, a.id, [segmentId])
    expect(await names({ segmentId })).toEqual([])
  })

  it('find mappings by number, status, name and time', async () => {
    test.setTime(new Date('2026-01-01T00:00:00Z'))
    const [one, two] = await Promise.all([
      addSegment(test, { name: 'One' }),
      addSegment(test, { name: 'Two' }),
    ])
    const { id } = await service.create(session, flow({ segments: [mapping(one), mapping(two)] }))
    test.setTime(new Date('2026-01-02T00:00:00Z'))
    await service.unmapSegments(session, id, [two])
    const store = segmentMappingStore(test.database)
    const { sandboxId } = test
    const names = async (filter = {}) =>
      (
        await store.pages(
          { parent: 'destination', ids: [destinationId] },
          { sandboxId, visible: null, filter, args: {}, maxPageSize: 100 },
        )
      )
        .get(destinationId)
        ?.rows.map(({ elementName }) => elementName)
    expect(await names()).toEqual(['One', 'Two'])
    expect(await names({ numbers: [2, 2, 99] })).toEqual(['Two'])
    expect(await names({ numbers: Array.from({ length: 1000 }, (_, i) => i) })).toHaveLength(2)
    expect(await names({ status: ['ACTIVE'] })).toEqual(['One'])
    expect(await names({ search: 'ONE' })).toEqual(['One'])
    expect(await names({ updatedSince: new Date('2026-01-02T00:00:00Z') })).toEqual(['Two'])
    const tooMany = Array.from({ length: 1001 }, (_, i) => i)
    expect(await refusedPaths(names({ numbers: tooMany }))).toEqual(['LIMIT_EXCEEDED filter.numbers'])
    expect((await store.byNumbers(sandboxId, [1])).map(({ segmentId }) => segmentId)).toEqual([one])
    expect((await store.byPair(sandboxId, { dataflowId: id, segmentId: two }))?.number).toBe(2)
    expect(await store.bySegments(sandboxId, [one, two])).toHaveLength(2)
  })
})
