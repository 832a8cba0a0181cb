// The whole process is killed with SIGKILL again and again while contacts leave, and started again. In the end everybody
// is in the list once, and no log that was written on the way has the key or anybody's e-mail.
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { activeCampaignWorld, type World } from '../support/activecampaign/world.ts'
import { createSegment, evaluate } from '../support/http-api.ts'

const PEOPLE = 3_000
const KILLS = 5

let world: World
let dataflowId: string
let segmentId: string
beforeAll(async () => {
  world = await activeCampaignWorld({ LOG_LEVEL: 'trace' })
  const file = path.join(world.dir, 'people.csv')
  const lines = Array.from({ length: PEOPLE }, (_, n) => `${n},p${n}@example.org,Name ${n}`)
  fs.writeFileSync(file, ['id,email,name', ...lines].join('\n'))
  await world.import(file, 'id')
  await world.start()
  segmentId = await createSegment(world.api, 'All', { attribute: { path: 'id', operator: 'EXISTS' } })
  await evaluate(world.api, [segmentId])
  const { id } = await world.destination()
  const fields = [
    { source: 'email', target: 'email' },
    { source: 'name', target: 'first_name' },
  ]
  dataflowId = (await world.dataflow(id, fields, [segmentId])).made?.id ?? ''
}, 60_000)
afterAll(() => world?.dispose())

it('everybody arrives once, however often the process is killed', async () => {
  const { imports, data, apiKey } = world.emulator
  const { runId } = await world.activate(dataflowId, segmentId)
  const batches = Math.ceil(PEOPLE / 250)
  for (let kill = 1; kill <= KILLS; kill += 1) {
    // In the middle of a request, sometimes before it is read and sometimes when it is carried out already.
    const wanted = Math.floor((batches * kill) / (KILLS + 1))
    while (imports.bodies.length < wanted) await new Promise((resolve) => setTimeout(resolve, 5))
    await world.kill()
    await world.start()
  }
  const { status, progress } = await world.ended(runId)
  expect([status, progress]).toMatchObject([
    'SUCCESS',
    { received: PEOPLE, exported: PEOPLE, excluded: 0, failed: 0, percent: 100 },
  ])
  const contacts = [...data.contacts.values()]
  expect(contacts).toHaveLength(PEOPLE)
  expect(new Set(contacts.map(({ id }) => id)).size).toBe(PEOPLE)
  expect(contacts.every(({ lists }) => lists.join() === '1')).toBe(true)
  // A request that was under way is made again, the same; nothing else is. A new process may ask too soon.
  expect(new Set(imports.bodies).size).toBe(batches)
  expect(imports.bodies.length).toBeLessThanOrEqual(batches + 3 * KILLS)
  expect(world.said()).toContain(runId)
  for (const secret of [apiKey, Buffer.from(apiKey).toString('base64'), '@example.org', 'Name 1']) {
    expect(world.said()).not.toContain(secret)
  }
}, 120_000)
