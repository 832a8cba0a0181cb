// What partners do all day: put names to the numbers in their files, and ask what changed.
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { aWorld } from '../support/activation.ts'
import { type TestGateway, type Tree, testGateway } from '../support/api.ts'

const OWN = 1_200

let gateway: TestGateway
let partner: string
let own: Awaited<ReturnType<typeof aWorld>>
let other: Awaited<ReturnType<typeof aWorld>>
/** The numbers of the partner's mappings, oldest first. */
let numbers: number[]
let othersNumbers: number[]

beforeAll(async () => {
  gateway = await testGateway()
  const { test } = gateway
  own = await aWorld(test)
  other = await aWorld(test, { segments: 3 })
  const { db, tables } = test.database
  const { segmentMappings: mappings } = tables
  const ofDestination = (id: string) =>
    db.select().from(mappings).where(eq(mappings.destinationId, id)).orderBy(mappings.id)
  const [first] = await ofDestination(own.destination.id)
  for (let at = 0; at < OWN - 1; at += 100) {
    const rows = Array.from({ length: Math.min(100, OWN - 1 - at) }, (_, index) => ({
      ...first!,
      id: test.ctx.newId('segmentMapping'),
      number: 10_000 + at + index,
      segmentId: test.ctx.newId('segment'),
      elementName: `Segment ${at + index}`,
    }))
    await test.database.batch([db.insert(mappings).values(rows)])
  }
  numbers = (await ofDestination(own.destination.id)).map(({ number }) => number)
  othersNumbers = (await ofDestination(other.destination.id)).map(({ number }) => number)
  partner = await gateway.token(['PARTNER'], { destinationIds: [own.destination.id] })
})
afterAll(() => gateway.dispose())

const LOOKUP = (args: string, selection = 'nodes { number elementName }') =>
  `query ($id: ID!, $filter: SegmentMappingFilter) { destination(id: $id) { segmentMappings(filter: $filter${args}) { ${selection} totalCount pageInfo { hasNextPage endCursor } } } }`

async function lookUp(filter: object, args = '', selection?: string): Promise<Tree> {
  const variables = { id: own.destination.id, filter }
  const data = await gateway.data(LOOKUP(args, selection), variables, { token: partner })
  return data.destination.segmentMappings
}
async function refusal(filter: object, args = '', selection?: string) {
  const variables = { id: own.destination.id, filter }
  const { errors } = await gateway.ask(LOOKUP(args, selection), variables, { token: partner })
  return [errors?.[0]?.extensions.code, errors?.[0]?.message]
}

describe('a lookup by number', () => {
  it('answers 1,000 numbers at a time on one page', async () => {
    const page = await lookUp({ numbers: numbers.slice(0, 1_000) })
    expect(page.nodes.map((one: Tree) => one.number)).toEqual(numbers.slice(0, 1_000))
    expect(page.totalCount).toBe(1_000)
    expect(page.pageInfo.hasNextPage).toBe(false)
    expect((await lookUp({ numbers: numbers.slice(0, 1_000) }, ', first: 1000')).nodes).toEqual(page.nodes)
    expect((await lookUp({ numbers: numbers.slice(0, 1_000) }, ', last: 999')).nodes).toEqual(
      page.nodes.slice(1),
    )
  })

  it('goes through smaller pages where those are asked for', async () => {
    const filter = { numbers: numbers.slice(0, 25) }
    const first = await lookUp(filter, ', first: 20')
    expect(first.pageInfo.hasNextPage).toBe(true)
    const rest = await lookUp(filter, `, first: 20, after: "${first.pageInfo.endCursor}"`)
    expect([...first.nodes, ...rest.nodes].map((one: Tree) => one.number)).toEqual(numbers.slice(0, 25))
  })

  it('leaves out numbers of others as it leaves out numbers of nobody', async () => {
    const mine = numbers.slice(0, 2)
    const page = await lookUp({ numbers: [...mine, ...othersNumbers] })
    const { pageInfo, ...seen } = await lookUp({ numbers: [...mine, 99_999, 0, -7] })
    expect(page).toMatchObject(seen)
    expect(pageInfo.hasNextPage).toBe(page.pageInfo.hasNextPage)
    expect(page.nodes.map((one: Tree) => one.number)).toEqual(mine)
    expect(page.totalCount).toBe(2)
    expect((await lookUp({ numbers: othersNumbers })).totalCount).toBe(0)
    expect((await lookUp({ numbers: [] })).nodes).toEqual([])
  })

  it('counts a number that is named twice once', async () => {
    expect((await lookUp({ numbers: [numbers[0], numbers[0]] })).totalCount).toBe(1)
  })

  it('refuses more than 1,000 numbers, and pages greater than what is looked up', async () => {
    expect(await refusal({ numbers: numbers.slice(0, 1_001) })).toEqual([
      'BAD_USER_INPUT',
      'A filter takes at most 1000 numbers.',
    ])
    const beyond = ['BAD_USER_INPUT', 'first must be between 1 and 100.']
    expect(await refusal({}, ', first: 101')).toEqual(beyond)
    expect(await refusal({ numbers: numbers.slice(0, 50) }, ', first: 101')).toEqual(beyond)
    expect(await refusal({ numbers: numbers.slice(0, 500) }, ', first: 501')).toEqual([
      'BAD_USER_INPUT',
      'first must be between 1 and 500.',
    ])
  })

  it('costs as much as it is long, however the numbers are written', async () => {
    // 31 fields a mapping: 600 of them may be asked for, 700 may not.
    const wide =
      'nodes { id number elementName elementDescription elementStatus activatedAt adHocAllowedFrom createdAt updatedAt schedule { startDate endDate } destination { id number name description status createdAt updatedAt type { name title } } dataflow { id name description state createdAt updatedAt } }'
    const list = (filter: string) => `destination(id: $id) { segmentMappings(filter: ${filter}) { ${wide} } }`
    const count = async (asked: number) => {
      const some = numbers.slice(0, asked)
      const id = own.destination.id
      const ways: [string, object][] = [
        [
          `query ($id: ID!, $filter: SegmentMappingFilter) { ${list('$filter')} }`,
          { filter: { numbers: some } },
        ],
        [`query ($id: ID!, $numbers: [Int!]) { ${list('{ numbers: $numbers }')} }`, { numbers: some }],
        [`query ($id: ID!) { ${list(`{ numbers: [${some}] }`)} }`, {}],
        [`query ($id: ID!, $numbers: [Int!] = [${some}]) { ${list('{ numbers: $numbers }')} }`, {}],
      ]
      const answers = ways.map(async ([query, more]) => {
        const { data, errors } = await gateway.ask(query, { id, ...more }, { token: partner })
        return errors?.[0]?.extensions.code ?? data.destination.segmentMappings.nodes.length
      })
      return Promise.all(answers)
    }
    expect(await count(600)).toEqual([600, 600, 600, 600])
    expect(await count(700)).toEqual(Array(4).fill('COST_LIMIT'))
  })
})

describe('what changed since a date', () => {
  it('is every mapping changed at that moment or later, unmapped ones included', async () => {
    const { test, parts } = gateway
    const segmentId = own.segmentIds[0]!
    const before = new Date(Date.now() + 60_000)
    const moment = new Date(Date.now() + 120_000)
    test.setTime(moment)
    expect((await lookUp({ updatedSince: before.toISOString() })).totalCount).toBe(0)
    await parts.services.dataflow.unmapSegments(test.session, own.dataflow.id, [segmentId])
    const changed = await lookUp(
      { updatedSince: moment.toISOString() },
      '',
      'nodes { number elementStatus updatedAt segment { id name } }',
    )
    expect(changed.totalCount).toBe(1)
    expect(changed.nodes).toEqual([
      {
        number: numbers[0],
        elementStatus: 'DELETED',
        updatedAt: moment.toISOString(),
        segment: { id: segmentId, name: own.segments[0]!.name },
      },
    ])
    expect((await lookUp({ updatedSince: new Date(moment.getTime() + 1).toISOString() })).totalCount).toBe(0)
    // And by number, and by status, and among all.
    expect((await lookUp({ numbers: [numbers[0]] })).totalCount).toBe(1)
    expect((await lookUp({ status: ['DELETED'] })).totalCount).toBe(1)
    expect((await lookUp({})).totalCount).toBe(OWN)
  })
})
