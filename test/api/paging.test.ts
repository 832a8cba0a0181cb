import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Row } from '../../src/storage/tables.ts'
import { aWorld, worldOf } from '../support/activation.ts'
import { type TestGateway, testGateway } from '../support/api.ts'
import { aQueuedRun } from '../support/export-scene.ts'

let gateway: TestGateway
let ids: { segment: string; dataflow: string; destination: string; run: string; account: string }

beforeAll(async () => {
  gateway = await testGateway()
  const { test } = gateway
  const world = await aWorld(test, { segments: 7 })
  const { account, segments } = world
  const { destination, dataflow } = worldOf(test, test.sandboxId)
  const shared = await account()
  for (let index = 0; index < 6; index += 1) {
    await account()
    await destination({ accountId: shared.id, name: `D${index}` })
    await dataflow(world.destination, { name: `F${index}` })
    await world.evaluate(segments[0] as Row<'segments'>)
    const other = await dataflow(world.destination, { name: `G${index}` })
    await world.map(other, segments[0] as Row<'segments'>)
  }
  const run = await aQueuedRun(test, { id: test.ctx.newId('snapshot'), version: 1, count: 1 })
  const { database } = test
  const own = { segmentId: world.segmentIds[0] as string, dataflowId: world.dataflow.id }
  for (let index = 0; index < 6; index += 1) {
    const other = await aQueuedRun(test, { id: test.ctx.newId('snapshot'), version: 1, count: 1 })
    await world.setRun(other.id, {
      ...own,
      trigger: 'SCHEDULED',
      createdAt: new Date(Date.now() - index * 1000),
    })
    await database.db
      .insert(database.tables.rejections)
      .values({ runId: run.id, profileId: index + 1, reason: index % 2 ? 'DUPLICATE' : 'NO_CONSENT' })
  }
  ids = {
    segment: own.segmentId,
    dataflow: own.dataflowId,
    destination: world.destination.id,
    run: run.id,
    account: shared.id,
  }
})
afterAll(() => gateway.dispose())

// Each list, as the text around its arguments.
const lists: [string, () => [string, string, string]][] = [
  ['destinationAccounts', () => ['', 'destinationAccounts', '']],
  ['destinations', () => ['', 'destinations', '']],
  ['segments', () => ['', 'segments', '']],
  ['dataflows', () => ['', 'dataflows', '']],
  ['runs', () => ['', 'runs', '']],
  ['viewer.destinations', () => ['viewer {', 'destinations', '}']],
  ['account.destinations', () => [`destinationAccount(id: "${ids.account}") {`, 'destinations', '}']],
  ['destination.dataflows', () => [`destination(id: "${ids.destination}") {`, 'dataflows', '}']],
  ['destination.segmentMappings', () => [`destination(id: "${ids.destination}") {`, 'segmentMappings', '}']],
  ['segment.snapshots', () => [`segment(id: "${ids.segment}") {`, 'snapshots', '}']],
  ['segment.mappings', () => [`segment(id: "${ids.segment}") {`, 'mappings', '}']],
  ['segment.runs', () => [`segment(id: "${ids.segment}") {`, 'runs', '}']],
  ['dataflow.segmentMappings', () => [`dataflow(id: "${ids.dataflow}") {`, 'segmentMappings', '}']],
  ['dataflow.runs', () => [`dataflow(id: "${ids.dataflow}") {`, 'runs', '}']],
  ['run.rejections', () => [`run(id: "${ids.run}") {`, 'rejections', '}']],
]

describe.each(lists)('the list %s', (_name, place) => {
  const select = (args: string) => {
    const [before, field, after] = place()
    const identity = field === 'rejections' ? 'profileId' : 'id'
    return `{ ${before} ${field}(${args}) { totalCount nodes { id: ${identity} } edges { cursor node { id: ${identity} } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } ${after} }`
  }
  const read = async (args: string) => {
    let data = await gateway.data(select(args))
    while (!data.pageInfo) data = Object.values(data)[0]
    return data
  }
  const walk = async (forward: boolean, size: number) => {
    const seen: string[][] = []
    let place = ''
    for (;;) {
      const page = await read(`${forward ? 'first' : 'last'}: ${size}${place}`)
      expect(page.edges.map((edge: { node: object }) => edge.node)).toEqual(page.nodes)
      expect(page.pageInfo.startCursor).toBe(page.edges[0]?.cursor ?? null)
      seen.push(page.nodes.map((node: { id: string }) => node.id))
      if (!(forward ? page.pageInfo.hasNextPage : page.pageInfo.hasPreviousPage)) break
      place = forward ? `, after: "${page.pageInfo.endCursor}"` : `, before: "${page.pageInfo.startCursor}"`
    }
    return forward ? seen.flat() : seen.reverse().flat()
  }

  it('gives every element once, in one order, forward and backward', async () => {
    const whole = await read('first: 100')
    const all = whole.nodes.map((node: { id: string }) => node.id)
    expect(all.length).toBeGreaterThanOrEqual(6)
    expect(whole.totalCount).toBe(all.length)
    expect(await walk(true, 2)).toEqual(all)
    expect(await walk(false, 4)).toEqual(all)
  })

  it('refuses sizes and cursors that cannot be', async () => {
    const bad = [
      'first: 0',
      'first: -1',
      'first: 101',
      'last: 1000000',
      'first: 1, last: 1',
      'after: "garbage"',
    ]
    const foreign = Buffer.from('["NAME","ASC","x","seg_x"]').toString('base64url')
    for (const args of [...bad, `before: "${foreign}", last: 2`, 'after: "\\u0000"']) {
      const { errors } = await gateway.ask(select(args))
      expect(errors?.[0]?.extensions.code, args).toBe('BAD_USER_INPUT')
      expect(errors?.[0]?.path?.length).toBeGreaterThan(0)
    }
    expect((await gateway.ask(select('first: 2147483648'))).errors?.[0]?.extensions.code).toBe(
      'GRAPHQL_VALIDATION_FAILED',
    )
    expect((await gateway.ask(select('first: 0'))).errors?.[0]?.message).toBe(
      'first must be between 1 and 100.',
    )
  })
})

it('refuses the cursor of another order, filter, parent, kind or sandbox, and an altered one', async () => {
  await gateway.parts.services.sandbox.ensure('other')
  const ask = (list: string, sandbox = 'prod') =>
    gateway.ask(`{ ${list} { nodes { id } pageInfo { endCursor } } }`, {}, { sandbox })
  const list = 'segments(first: 2, filter: { search: "S" }, orderBy: { field: NAME, direction: ASC }'
  const cursor: string = (await ask(`${list})`)).data.segments.pageInfo.endCursor
  expect((await ask(`${list}, after: "${cursor}")`)).data.segments.nodes).toHaveLength(2)
  const place = Buffer.from(cursor, 'base64url').toString()
  const altered = Buffer.from(place.replace('Segment 1', 'Segment 2')).toString('base64url')
  expect(altered).not.toBe(cursor)
  const refused = [
    ask(`${list}, after: "${altered}")`),
    ask(`${list}, after: "${cursor}")`, 'other'),
    ask(`${list.replace('ASC', 'DESC')}, after: "${cursor}")`),
    ask(`${list.replace('"S"', '"Se"')}, after: "${cursor}")`),
    ask(`${list.replace('search: "S"', 'status: [ACTIVE]')}, after: "${cursor}")`),
    ask(`segments(first: 2, after: "${cursor}")`),
    ask(`dataflows(orderBy: { field: NAME, direction: ASC }, after: "${cursor}")`),
  ]
  for (const { errors } of await Promise.all(refused)) {
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', inputPath: ['after'] })
  }
})

it('never reaches beyond the object that a list hangs on', async () => {
  const other = (await worldOf(gateway.test, gateway.test.sandboxId).segment()).id
  const { segment } = await gateway.data(
    `{ segment(id: "${ids.segment}") { runs(filter: { segmentIds: ["${other}"] }) { totalCount } } }`,
  )
  expect(segment.runs.totalCount).toBe(0)
})
