// A segment on its way into an API, through the gateway's own: from the account to what was refused, and on from where
// a run stood that failed.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RunWorker } from '../../src/engine/worker.ts'
import { type TestGateway, type Tree, testGateway } from '../support/api.ts'
import { type ContactApi, contactApi, contactApiDriver, MAX_CONTACTS } from '../support/contact-api.ts'
import { startRunWorker } from '../support/contact-run.ts'
import { untilEnded } from '../support/export-scene.ts'
import { addProfiles, evaluate } from '../support/segments.ts'

let gateway: TestGateway
let api: ContactApi
let worker: RunWorker
beforeEach(async () => {
  gateway = await testGateway({
    drivers: [contactApiDriver],
    guardrails: { minSecondsBetweenMappingAndAdHoc: 0 },
  })
  api = await contactApi()
  worker = startRunWorker(gateway.test)
})
afterEach(async () => {
  await worker.stop()
  await api.close()
  await gateway.dispose()
})

async function call(mutation: string, input: object | string, fields: string): Promise<Tree> {
  const isId = typeof input === 'string'
  const type = isId ? 'ID!' : `${mutation[0]?.toUpperCase()}${mutation.slice(1)}Input!`
  const argument = isId ? 'id' : 'input'
  const document = `mutation ($of: ${type}) { done: ${mutation}(${argument}: $of) { ${fields} errors { code message } } }`
  return (await gateway.data(document, { of: input })).done
}
async function made(mutation: string, input: object | string, fields: string): Promise<Tree> {
  const answer = await call(mutation, input, fields)
  expect(answer.errors).toEqual([])
  return answer
}
/** A dataflow into the API with a segment of these people, and how to activate it. */
async function aDataflow(people: Record<string, unknown>[]) {
  const account = await made(
    'createDestinationAccount',
    {
      name: 'CRM',
      type: 'CONTACT_API',
      settings: { url: api.url },
      secrets: { key: api.key },
      agreeToDataTransfer: true,
    },
    'destinationAccount { id }',
  )
  const accountId = account.destinationAccount.id
  await made('verifyDestinationAccount', accountId, 'destinationAccount { status }')
  const { destination } = await made(
    'createDestination',
    { name: 'CRM', type: 'CONTACT_API', accountId, settings: {} },
    'destination { id type { delivery } }',
  )
  expect(destination.type.delivery).toBe('API')
  await addProfiles(
    gateway.test,
    people.map((one, n) => ({ ...one, number: n })),
  )
  const rule = { attribute: { path: 'number', operator: 'EXISTS' } }
  const { segment } = await made('createSegment', { name: 'All', rule }, 'segment { id }')
  await evaluate(gateway.test, [segment.id])
  const startDate = new Date().toISOString().slice(0, 10)
  const { dataflow } = await made(
    'createDataflow',
    {
      name: 'Contacts',
      destinationId: destination.id,
      fields: [
        { source: 'email', target: 'EMAIL' },
        { source: 'name', target: 'NAME' },
      ],
      segments: [{ segmentId: segment.id, schedule: { frequency: 'DAILY', startDate } }],
    },
    'dataflow { id fileFormat { type } fields { target required } }',
  )
  expect(dataflow).toMatchObject({ fileFormat: null, fields: [{ target: 'EMAIL', required: true }, {}] })
  return { dataflowId: dataflow.id, segmentIds: [segment.id] }
}
async function activated(flow: object): Promise<string> {
  const { activation } = await made(
    'activate',
    { activations: [flow] },
    'activation { orders { run { id } } }',
  )
  return activation.orders[0].run.id
}
const ended = (id: string) => untilEnded(gateway.test, id)
async function runOf(id: string): Promise<Tree> {
  const { run } = await gateway.data(
    `query ($id: ID!) { run(id: $id) { status phase error { code message retryable }
      progress { total received exported excluded failed bytes files percent } files { name }
      rejections(first: 50) { nodes { profileId reason detail } totalCount } } }`,
    { id },
  )
  return run
}
const again = async (mutation: 'retryRun' | 'retryRejections', id: string): Promise<string> =>
  (await made(mutation, id, 'run { id }')).run.id
const people = (count: number) =>
  Array.from({ length: count }, (_, n) => ({ email: `p${n}@example.com`, name: `Person ${n}` }))
const storedTwice = () => [...api.contacts].filter(([, times]) => times > 1)
const failAfter = (requests: number, status: number) =>
  api.faults.push(...Array.from({ length: requests }, () => ({ status: 200 })), { status })

describe('a segment into an API', () => {
  it('arrives, and the run tells whom it left out, whom the destination refused, and why', async () => {
    const flow = await aDataflow([...people(11), { name: 'no e-mail' }, { email: 'nowhere' }])
    const id = await activated(flow)
    const types = (await ended(id)).map(({ type }) => type)
    expect([types[0], types[1], types.at(-1)]).toEqual(['QUEUED', 'STARTED', 'SUCCEEDED'])
    const counts = { total: 13, received: 13, exported: 11, excluded: 1, failed: 1, files: 0, percent: 100 }
    expect(await runOf(id)).toMatchObject({
      status: 'SUCCESS',
      phase: 'DONE',
      error: null,
      files: [],
      progress: counts,
    })
    const { rejections } = await runOf(id)
    expect(rejections.nodes).toMatchObject([
      { reason: 'MISSING_REQUIRED_FIELD', detail: 'EMAIL' },
      { reason: 'REFUSED_BY_DESTINATION', detail: 'EMAIL is no address' },
    ])
    expect(api.contacts.size).toBe(11)
    expect(storedTwice()).toEqual([])
  })

  it('is sent again to those that were refused, and to nobody else', async () => {
    const flow = await aDataflow([...people(7), { email: 'nowhere' }])
    const first = await activated(flow)
    await ended(first)
    await gateway.parts.services.profile.upsert(gateway.test.session, {
      key: 'id',
      profiles: [{ id: '8', email: 'found@example.com' }],
    })
    const second = await again('retryRejections', first)
    await ended(second)
    expect(await runOf(second)).toMatchObject({
      status: 'SUCCESS',
      progress: { total: 1, received: 1, exported: 1 },
    })
    expect(JSON.parse(api.requests.at(-1) ?? '')).toEqual([{ email: 'found@example.com', name: null }])
    expect(storedTwice()).toEqual([])
  })
})

describe('a run that failed', () => {
  const crowd = [...people(12), { name: 'no e-mail' }, { email: 'nowhere' }, ...people(40).slice(12)]

  it('goes on where it stood when it is retried, with all that was rejected', async () => {
    const flow = await aDataflow(crowd)
    failAfter(4, 401)
    const first = await activated(flow)
    await ended(first)
    const failed = await runOf(first)
    expect(failed).toMatchObject({ status: 'FAILED', error: { code: 'REFUSED_LOGIN', retryable: false } })
    // Four full requests, with one refused among them, and one left out on the way.
    expect(failed.progress).toMatchObject({ received: 21, exported: 19, excluded: 1, failed: 1 })
    // It fails once more before it has begun.
    failAfter(0, 401)
    const second = await again('retryRun', first)
    await ended(second)
    const third = await again('retryRun', second)
    expect((await ended(third))[0]).toMatchObject({ type: 'QUEUED', received: 21 })
    expect(await runOf(third)).toMatchObject({
      status: 'SUCCESS',
      progress: { total: 42, received: 42, exported: 40, excluded: 1, failed: 1 },
      rejections: { totalCount: 2 },
    })
    expect([api.contacts.size, storedTwice()]).toEqual([40, []])
    const fourth = await again('retryRejections', third)
    expect((await runOf(fourth)).progress.total).toBe(1)
  })

  it('hears in its retry how that went which was pending', async () => {
    api.isSlow = true
    api.waits = 1_000_000
    const flow = await aDataflow(crowd)
    failAfter(4, 401)
    const first = await activated(flow)
    await ended(first)
    expect((await runOf(first)).progress).toMatchObject({ received: 21, exported: 0, failed: 0 })
    api.isSlow = false
    api.settleNow()
    const second = await again('retryRun', first)
    await ended(second)
    expect(await runOf(second)).toMatchObject({
      status: 'SUCCESS',
      progress: { received: 42, exported: 40, excluded: 1, failed: 1 },
      rejections: { totalCount: 2 },
    })
    expect([api.contacts.size, storedTwice()]).toEqual([40, []])
  })

  it('begins anew when the destination is built on another account since', async () => {
    const flow = await aDataflow(people(12))
    failAfter(1, 401)
    const first = await activated(flow)
    await ended(first)
    const { database } = gateway.test
    const { runs } = database.tables
    const [row] = await database.db.select().from(runs)
    await database.batch([
      database.db.update(runs).set({ plan: { ...row!.plan, accountId: 'acc_of_before' } }),
    ])
    await ended(await again('retryRun', first))
    expect(api.contacts.size).toBe(12)
    expect(storedTwice()).toHaveLength(MAX_CONTACTS)
  })
})

describe('while the destination deals with what it was sent', () => {
  const untilAllSent = async (id: string) => {
    while ((await runOf(id)).phase !== 'FINALIZING') await gateway.test.database.wake.wait(`run:${id}`, 50)
  }

  it('the run can be cancelled, and its retry hears the outcome', async () => {
    api.isSlow = true
    api.waits = 1_000_000
    const id = await activated(await aDataflow([...people(6), { email: 'nowhere' }]))
    await untilAllSent(id)
    await made('cancelRun', id, 'run { status }')
    await ended(id)
    expect(await runOf(id)).toMatchObject({ status: 'CANCELLED', progress: { received: 7, exported: 0 } })
    api.settleNow()
    const retried = await again('retryRun', id)
    await ended(retried)
    expect(await runOf(retried)).toMatchObject({ progress: { received: 7, exported: 6, failed: 1 } })
    expect([api.requests.length, storedTwice()]).toEqual([2, []])
  })

  it('a profile can be erased: nobody is sent twice, and nothing is written down of it', async () => {
    api.isSlow = true
    api.waits = 1_000_000
    const id = await activated(await aDataflow([...people(6), { email: 'nowhere' }]))
    await untilAllSent(id)
    await made('deleteProfile', { key: 'id', value: '7' }, 'deletedProfileId')
    api.settleNow()
    await ended(id)
    expect(await runOf(id)).toMatchObject({ status: 'SUCCESS', rejections: { totalCount: 0 } })
    expect([api.requests.length, storedTwice()]).toEqual([2, []])
  })
})
