import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { aWorld } from '../support/activation.ts'
import { type TestGateway, testGateway } from '../support/api.ts'
import { keyPair } from '../support/pgp.ts'
import { addProfiles, evaluate } from '../support/segments.ts'
import { statementsOf } from '../support/statements.ts'

let gateway: TestGateway
beforeEach(async () => {
  gateway = await testGateway({ guardrails: { minSecondsBetweenMappingAndAdHoc: 0 } })
})
afterEach(() => gateway.dispose())

const ERRORS = `errors { __typename code message path
  ... on RunInProgressError { run { id status } }
  ... on TooManySegmentsError { limit requested }
  ... on SegmentNotInDataflowError { segment { id } dataflow { id } }
  ... on TooSoonError { allowedFrom } }`
const ACTIVATE = `mutation ($input: ActivateInput!) { activate(input: $input) {
  activation { id requestedBy orders { segment { id name } dataflow { id } run { id status phase lastEventCursor } } } ${ERRORS} } }`

describe('the main job, through the API alone', () => {
  it('goes from profiles to a queued run', async () => {
    const { upsertProfiles } = await gateway.data(
      'mutation ($profiles: [JSON!]!) { upsertProfiles(input: { key: "id", profiles: $profiles }) { inserted updated errors { message } } }',
      {
        profiles: [
          { id: '1', email: 'a@x.org', vip: true },
          { id: '2', email: 'b@x.org' },
        ],
      },
    )
    expect(upsertProfiles).toEqual({ inserted: 2, updated: 0, errors: [] })
    const rule = { all: [{ attribute: { path: 'vip', operator: 'EQUALS', value: true } }] }
    const { previewSegment } = await gateway.data(
      'query ($rule: SegmentRuleInput!) { previewSegment(rule: $rule) { profileCount sample } }',
      { rule },
    )
    expect(previewSegment.profileCount).toBe(1)
    const { createSegment } = await gateway.data(
      'mutation ($rule: SegmentRuleInput!) { createSegment(input: { name: "VIPs", rule: $rule }) { segment { id number status expression rule { json } snapshot { id } } errors { message } } }',
      { rule },
    )
    const { segment } = createSegment
    expect(segment).toMatchObject({ status: 'ACTIVE', rule: { json: rule }, snapshot: null })
    await evaluate(gateway.test, [segment.id])
    const made = await gateway.data(
      'mutation { createDestination(input: { name: "Disk", type: "LOCAL_DIRECTORY", settings: { path: "out" } }) { destination { id type { name delivery settingsSchema } } errors { message } } }',
    )
    const { destination } = made.createDestination
    expect(destination.type).toMatchObject({ name: 'LOCAL_DIRECTORY', delivery: 'FILE' })
    const startDate = new Date().toISOString().slice(0, 10)
    const { createDataflow } = await gateway.data(
      `mutation ($input: CreateDataflowInput!) { createDataflow(input: $input) { dataflow { id state
        fields { source target required } fileFormat { type delimiter maxRowsPerFile neutralizeFormulas }
        segmentMappings { nodes { elementName elementStatus schedule { frequency startTime } lastRun { id } } } } ${ERRORS.split('\n')[0]} } } }`,
      {
        input: {
          name: 'Newsletter',
          destinationId: destination.id,
          fields: [{ source: 'email', target: 'EMAIL', required: true }],
          segments: [{ segmentId: segment.id, schedule: { frequency: 'DAILY', startDate } }],
        },
      },
    )
    expect(createDataflow.errors).toEqual([])
    const { dataflow } = createDataflow
    expect(dataflow.fileFormat).toMatchObject({ type: 'CSV', delimiter: ',', neutralizeFormulas: true })
    expect(dataflow.segmentMappings.nodes).toMatchObject([{ elementName: 'VIPs', lastRun: null }])
    const input = {
      activations: [{ dataflowId: dataflow.id, segmentIds: [segment.id] }],
      idempotencyKey: 'k',
    }
    const { checkActivation } = await gateway.data(
      `query ($input: ActivateInput!) { checkActivation(input: $input) { ok ${ERRORS} orders { profileCount evaluatedAt segment { name } } } }`,
      { input },
    )
    expect(checkActivation).toMatchObject({ ok: true, errors: [], orders: [{ profileCount: 1 }] })
    const { activate } = await gateway.data(ACTIVATE, { input })
    expect(activate).toMatchObject({
      errors: [],
      activation: {
        requestedBy: 'admin',
        orders: [{ segment: { name: 'VIPs' }, run: { status: 'QUEUED' } }],
      },
    })
  })

  it('says how files are written, as it was told to', async () => {
    const { dataflow } = await aWorld(gateway.test)
    const { publicKey, privateKey } = await keyPair()
    const update = `mutation ($input: UpdateDataflowInput!) { updateDataflow(input: $input) { dataflow { fileFormat {
      type compression nullValue emptyValue header publicKey } } errors { code path message } } }`
    const told = async (fileFormat: Record<string, unknown>) =>
      (await gateway.data(update, { input: { id: dataflow.id, fileFormat } })).updateDataflow
    const format = {
      type: 'PARQUET',
      compression: 'ZSTD',
      nullValue: 'null',
      emptyValue: '""',
      header: false,
    }
    expect(await told({ ...format, publicKey })).toEqual({
      dataflow: { fileFormat: { ...format, publicKey: publicKey.trim() } },
      errors: [],
    })
    expect(await told({ publicKey: privateKey })).toMatchObject({
      dataflow: null,
      errors: [{ code: 'INVALID_INPUT', path: ['input', 'fileFormat', 'publicKey'] }],
    })
    expect((await told({})).dataflow.fileFormat).toMatchObject({ type: 'CSV', header: true, publicKey: null })
  })

  it('tells every kind of refusal as data', async () => {
    const world = await aWorld(gateway.test, { segments: 2 })
    const [first, second] = world.segmentIds
    const send = async (segmentIds: (string | undefined)[]) => {
      const input = { activations: [{ dataflowId: world.dataflow.id, segmentIds }] }
      return (await gateway.data(ACTIVATE, { input })).activate
    }
    const { activation } = await send([first])
    const again = await send([first, second])
    expect(again.activation).toBeNull()
    expect(again.errors).toMatchObject([
      {
        __typename: 'RunInProgressError',
        code: 'RUN_IN_PROGRESS',
        path: ['input', 'activations', '0', 'segmentIds', '0'],
        run: { id: activation.orders[0].run.id, status: 'QUEUED' },
      },
    ])
    const unmapped = await world.segment()
    expect((await send([unmapped.id])).errors).toMatchObject([
      {
        __typename: 'SegmentNotInDataflowError',
        segment: { id: unmapped.id },
        dataflow: { id: world.dataflow.id },
      },
    ])
    expect((await send(['seg_x'])).errors).toMatchObject([
      { __typename: 'ActivationRefusedError', code: 'NOT_FOUND' },
    ])
    const tooMany = await send(Array.from({ length: 81 }, (_, index) => `seg_${index}`))
    expect(tooMany.errors).toContainEqual(
      expect.objectContaining({ __typename: 'TooManySegmentsError', limit: 80, requested: 81 }),
    )
    const runId = activation.orders[0].run.id
    const retry =
      'mutation ($id: ID!) { retryRun(id: $id) { run { id } errors { __typename code ... on ConflictError { node { id __typename } } } } }'
    expect((await gateway.data(retry, { id: runId })).retryRun).toEqual({
      run: null,
      errors: [{ __typename: 'ConflictError', code: 'CONFLICT', node: { id: runId, __typename: 'Run' } }],
    })
    const cancel = 'mutation ($id: ID!) { cancelRun(id: $id) { run { status completedAt } errors { code } } }'
    expect((await gateway.data(cancel, { id: runId })).cancelRun.run.status).toBe('CANCELLED')
  })
})

describe('reading many', () => {
  const QUERY = `{ runs(first: 50) { nodes { id
    segment { name snapshot { job { id } } } dataflow { name destination { name account { name } } }
    snapshot { profileCount segment { id } } activation { id orders { run { id } } } files { name } } } }`

  it('takes as many statements for fifty runs as for one', async () => {
    const world = await aWorld(gateway.test, { segments: 50 })
    await addProfiles(gateway.test, [{ email: 'a' }])
    await evaluate(gateway.test, world.segmentIds)
    const statements = async () => {
      let runs: unknown[] = []
      const seen = await statementsOf(async () => {
        runs = (await gateway.data(QUERY)).runs.nodes
      })
      return { count: seen.length, runs: runs.length }
    }
    const send = (segmentIds: string[]) =>
      gateway.data(ACTIVATE, { input: { activations: [{ dataflowId: world.dataflow.id, segmentIds }] } })
    await send(world.segmentIds.slice(0, 1))
    const one = await statements()
    await send(world.segmentIds.slice(1))
    const fifty = await statements()
    expect([one.runs, fifty.runs]).toEqual([1, 50])
    expect(fifty.count).toBe(one.count)
    expect(fifty.count).toBeLessThan(20)
  })

  it('counts a list only when its totalCount is asked for', async () => {
    const counts = async (query: string) =>
      (await statementsOf(() => gateway.data(query))).filter((sql) => sql.includes('count(*)')).length
    expect(await counts('{ segments { nodes { id } pageInfo { hasNextPage } } }')).toBe(0)
    expect(await counts('{ segments { totalCount } }')).toBe(1)
  })
})
