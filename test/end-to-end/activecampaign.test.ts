// From the customers' files to the contacts of a list, through the real processes.
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import answers from '../data/answers.json' with { type: 'json' }
import { activeCampaignWorld, type World } from '../support/activecampaign/world.ts'
import { SAKILA, TELCO } from '../support/answers.ts'
import { createSegment, evaluate } from '../support/http-api.ts'

const DATA = path.join(import.meta.dirname, '../../src/demo-data')
const FIELDS = [
  { source: 'email', target: 'email' },
  { source: 'first_name', target: 'first_name' },
  { source: 'last_name', target: 'last_name' },
  { source: 'total_spent', target: 'field:7' },
]

let world: World
let destinationId: string
let accountId: string
let sakila: string
let telco: string
beforeAll(async () => {
  world = await activeCampaignWorld()
  await world.import(path.join(DATA, 'sakila-customers.csv'), 'customer_id')
  await world.import(path.join(DATA, 'telco-customers.csv'), 'customerID')
  await world.start()
  sakila = await createSegment(world.api, 'Sakila', SAKILA.rows)
  telco = await createSegment(world.api, 'Telco', TELCO.rows)
  await evaluate(world.api, [sakila, telco])
  const destination = await world.destination({ listId: '1', tags: ['Sakila'] })
  destinationId = destination.id
  accountId = destination.accountId
}, 60_000)
afterAll(() => world?.dispose())

const contacts = () => [...world.emulator.data.contacts.values()]

describe('what is wrong is said before anything is sent', () => {
  it('a list that the account does not have', async () => {
    const settings = { listId: '9' }
    const input = { name: 'Nowhere', type: 'ACTIVECAMPAIGN', accountId, settings }
    const { errors } = await world.change('createDestination', input, 'destination { id }')
    expect(errors).toMatchObject([{ code: 'INVALID_INPUT', message: expect.stringContaining('no list 9') }])
  })

  it('a dataflow without an e-mail, or with a custom field that is not there', async () => {
    const { errors } = await world.dataflow(destinationId, [{ source: 'gender', target: 'phone' }], [telco])
    expect(errors).toMatchObject([
      { code: 'INVALID_INPUT', message: 'The destination needs a field with the target email.' },
    ])
    const unknown = await world.dataflow(destinationId, [...FIELDS, { source: 'x', target: 'field:8' }], [])
    expect(unknown.errors).toMatchObject([
      { path: ['input', 'fields', '4', 'target'], message: expect.stringContaining('phone, field:7.') },
    ])
  })

  it('the Telco table, which has no e-mail', async () => {
    const { made } = await world.dataflow(destinationId, FIELDS, [telco])
    const { runId, errors } = await world.activate(made?.id ?? '', telco)
    expect([runId, errors]).toMatchObject([
      '',
      [
        {
          code: 'INVALID_INPUT',
          path: ['input', 'activations', '0', 'segmentIds', '0'],
          message:
            'The destination needs the field email, and no profile of segment "Telco" has the attribute email that is mapped to it. Map another attribute, or use another segment.',
        },
      ],
    ])
    expect(contacts()).toEqual([])
  })

  it('a wrong key', async () => {
    const { hostname } = world.emulator
    const input = {
      name: 'Wrong',
      type: 'ACTIVECAMPAIGN',
      settings: { hostname },
      secrets: { apiKey: 'wrong' },
    }
    const all = { ...input, agreeToDataTransfer: true }
    const { made } = await world.change<{ id: string }>(
      'createDestinationAccount',
      all,
      'destinationAccount { id }',
    )
    const { errors } = await world.change('verifyDestinationAccount', made.id, 'destinationAccount { id }')
    expect(errors).toMatchObject([
      { code: 'DESTINATION_REFUSED', detail: 'ActiveCampaign answered 403: Invalid API token' },
    ])
  })
})

it('a destination tells which fields may be mapped, those of its account too', async () => {
  const query = 'query ($id: ID!) { destination(id: $id) { fields { name title required } } }'
  const { destination } = await world.api<{ destination: { fields: object[] } }>(query, { id: destinationId })
  expect(destination.fields).toHaveLength(5)
  expect(destination.fields).toContainEqual({ name: 'email', title: 'E-mail', required: true })
  expect(destination.fields).toContainEqual({ name: 'field:7', title: 'Total spent', required: false })
})

describe('Sakila', () => {
  const rows = answers.sakila.rows
  let dataflowId: string
  let runId: string
  beforeAll(async () => {
    const { made, errors } = await world.dataflow(destinationId, FIELDS, [sakila])
    expect(errors).toEqual([])
    dataflowId = made?.id ?? ''
  })

  it('goes through whole, but for whom the destination refuses', async () => {
    world.emulator.data.bounced.add('mary.smith@sakilacustomer.org')
    const started = await world.activate(dataflowId, sakila)
    expect(started.errors).toEqual([])
    runId = started.runId
    const { status, error, progress, rejections } = await world.ended(runId)
    expect([status, error]).toEqual(['SUCCESS', null])
    expect(progress).toEqual({ received: rows, exported: rows - 1, excluded: 0, failed: 1, percent: 100 })
    expect(rejections.nodes).toEqual([
      { reason: 'REFUSED_BY_DESTINATION', detail: expect.stringContaining('lists it as failed') },
    ])
    expect(contacts()).toHaveLength(rows - 1)
    expect(contacts().every(({ imports, lists }) => imports === 1 && lists.join() === '1')).toBe(true)
    expect(world.emulator.data.contacts.get('patricia.johnson@sakilacustomer.org')).toMatchObject({
      first_name: 'PATRICIA',
      last_name: 'JOHNSON',
      tags: ['Sakila'],
      fields: { 7: '128.73' },
    })
  })

  it('sends again whom it refused, and nobody else', async () => {
    world.emulator.data.bounced.clear()
    const { made, errors } = await world.change<{ id: string }>('retryRejections', runId, 'run { id }')
    expect(errors).toEqual([])
    const { status, progress } = await world.ended(made.id)
    expect([status, progress]).toMatchObject(['SUCCESS', { received: 1, exported: 1, failed: 0 }])
    expect(contacts()).toHaveLength(rows)
    expect(new Set(contacts().map(({ imports }) => imports))).toEqual(new Set([1]))
  })

  it('stops when it is cancelled, though nobody answers', async () => {
    const { emulator } = world
    emulator.isSilent = true
    const before = emulator.imports.bodies.length
    const { runId: endless } = await world.activate(dataflowId, sakila)
    while (emulator.silenced === 0) await sleep(20)
    await world.change('cancelRun', endless, 'run { id }')
    expect(await world.ended(endless)).toMatchObject({ status: 'CANCELLED', progress: { exported: 0 } })
    expect(emulator.imports.bodies).toHaveLength(before)
    emulator.isSilent = false
  })

  it('fails when the key is taken back, in the words of the destination', async () => {
    world.emulator.apiKey = 'another-key'
    const { runId: failing } = await world.activate(dataflowId, sakila)
    const { status, error } = await world.ended(failing)
    expect([status, error]).toEqual([
      'FAILED',
      { code: 'REFUSED_LOGIN', message: 'ActiveCampaign answered 403: Invalid API token', retryable: false },
    ])
  })
})
