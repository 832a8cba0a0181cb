import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { encodeLogCursor } from '../../src/storage/log-cursor.ts'
import { type TestGateway, type Tree, testGateway } from '../support/api.ts'
import { addSegment } from '../support/building.ts'
import { openStream, resultsIn } from '../support/sse-client.ts'
import { admitted } from '../support/ws-client.ts'

let gateway: TestGateway
let url: string
let destinationId: string
let dataflowId: string
let partner: string
beforeEach(async () => {
  gateway = await testGateway()
  url = await gateway.serve()
  destinationId = await aDestination('Partner')
  dataflowId = await aDataflow(destinationId)
  partner = await gateway.token(['PARTNER'], { destinationIds: [destinationId] })
})
afterEach(() => gateway.dispose())

const FOLLOW = `subscription ($destinationId: ID!, $after: String) {
  segmentMappingChanged(destinationId: $destinationId, after: $after) {
    cursor at mapping { id number elementName elementDescription elementStatus segment { number name status } }
  }
}`
const schedule = { frequency: 'DAILY', startDate: '2026-01-04' } as const

async function aDestination(name: string): Promise<string> {
  const { parts, test } = gateway
  const input = { name, type: 'LOCAL_DIRECTORY', settings: { path: name } }
  return (await parts.services.destination.create(test.session, input)).id
}
async function aDataflow(of: string): Promise<string> {
  const { parts, test } = gateway
  const input = { name: 'Flow', destinationId: of, fields: [{ source: 'email', target: 'email' }] }
  return (await parts.services.dataflow.create(test.session, input)).id
}
const map = (segmentId: string, elementName?: string) =>
  gateway.parts.services.dataflow.mapSegments(gateway.test.session, {
    dataflowId,
    segments: [{ segmentId, schedule, elementName }],
  })
const unmap = (segmentId: string) =>
  gateway.parts.services.dataflow.unmapSegments(gateway.test.session, dataflowId, [segmentId])
const rename = (id: string, name: string) =>
  gateway.parts.services.segment.update(gateway.test.session, { id, name })

/** The first changes of a stream over SSE. */
async function first(count: number, variables: object, token = partner): Promise<Tree[]> {
  const left = new AbortController()
  const { chunks } = await openStream(url, { token, query: FOLLOW, variables, signal: left.signal })
  const changes: Tree[] = []
  for await (const { data } of resultsIn(chunks)) {
    changes.push(data.segmentMappingChanged)
    if (changes.length === count) break
  }
  left.abort()
  return changes
}
const shown = ({ mapping }: Tree) => `${mapping.elementName} ${mapping.elementStatus}`

describe('segmentMappingChanged', () => {
  it('tells what was, then what comes, and deleted mappings stay visible', async () => {
    const buyers = await addSegment(gateway.test, { name: 'Buyers' })
    await map(buyers)
    const client = await admitted(url, partner)
    client.subscribe('1', FOLLOW, { destinationId })
    const told = async (count: number) => {
      await client.hear(() => client.dataOf('1').length === count)
      return shown(client.dataOf('1').at(-1).segmentMappingChanged)
    }
    expect(await told(1)).toBe('Buyers ACTIVE')
    await rename(buyers, 'Customers')
    expect(await told(2)).toBe('Customers ACTIVE')
    await unmap(buyers)
    expect(await told(3)).toBe('Customers DELETED')
    await map(buyers, 'Own name')
    expect(await told(4)).toBe('Own name ACTIVE')
    await gateway.parts.services.segment.delete(gateway.test.session, buyers)
    expect(await told(5)).toBe('Own name DELETED')
    expect(client.dataOf('1').at(-1).segmentMappingChanged.mapping.segment.status).toBe('DELETED')
  })

  it('goes on from any cursor, over SSE as over WebSocket, without gap or repeat', async () => {
    const ids = await Promise.all([1, 2, 3].map((index) => addSegment(gateway.test, { name: `S${index}` })))
    for (const id of ids) await map(id)
    for (const id of ids) await unmap(id)
    const all = await first(6, { destinationId })
    expect(all.map(({ mapping }) => mapping.number)).toEqual([1, 2, 3, 1, 2, 3])
    const client = await admitted(url, partner)
    for (const [index, { cursor }] of all.slice(0, -1).entries()) {
      expect(await first(5 - index, { destinationId, after: cursor })).toEqual(all.slice(index + 1))
      const id = String(index)
      client.subscribe(id, FOLLOW, { destinationId, after: cursor })
      await client.hear(() => client.dataOf(id).length === 5 - index)
      expect(client.dataOf(id).map((data) => data.segmentMappingChanged)).toEqual(all.slice(index + 1))
    }
    client.subscribe('last', FOLLOW, { destinationId, after: all.at(-1).cursor })
    await rename(ids[0]!, 'nobody sees')
    await map(ids[1]!)
    await client.hear(() => client.dataOf('last').length === 1)
    expect(shown(client.dataOf('last')[0].segmentMappingChanged)).toBe('S2 ACTIVE')
  })

  it('loses nothing while many write and readers come and go', async () => {
    const ids = await Promise.all(
      Array.from({ length: 20 }, (_, index) => addSegment(gateway.test, { name: `S${index}` })),
    )
    const writing = Promise.all(
      ids.map(async (id, index) => {
        await map(id)
        if (index % 2) await unmap(id)
      }),
    )
    const seen: string[] = []
    for (let after: string | undefined; seen.length < 30; ) {
      const [change] = await first(1, { destinationId, after })
      after = change.cursor
      seen.push(change.cursor)
    }
    await writing
    expect(seen).toEqual(Array.from({ length: 30 }, (_, index) => encodeLogCursor(destinationId, index + 1)))
  })

  it('refuses cursors of other streams, and destinations that are not the partner’s like none at all', async () => {
    const other = await aDestination('Other')
    const absent = `dst_${'0'.repeat(32)}`
    await map(await addSegment(gateway.test))
    const client = await admitted(url, partner)
    const cases: object[] = [
      { destinationId, after: 'garbage' },
      { destinationId, after: encodeLogCursor(other, 1) },
      { destinationId, after: encodeLogCursor(destinationId, 99) },
      { destinationId: other },
      { destinationId: absent },
    ]
    const messages: string[] = []
    for (const [index, variables] of cases.entries()) {
      const id = String(index)
      client.subscribe(id, FOLLOW, variables)
      const answer = await client.hear((message) => message.id === id && message.type !== 'complete')
      const [error] = answer.type === 'error' ? answer.payload : answer.payload.errors
      expect(error.extensions.code, JSON.stringify(variables)).toBe('BAD_USER_INPUT')
      messages.push(error.message)
    }
    expect(messages[3]?.replace(other, 'ID')).toBe(messages[4]?.replace(absent, 'ID'))
  })

  it('shows a partner no more of a mapping than a lookup does', async () => {
    await map(await addSegment(gateway.test))
    const client = await admitted(url, partner)
    const query = FOLLOW.replace('segment {', 'filenameTemplate segment { expression')
    client.subscribe('1', query, { destinationId })
    const answer = await client.hear(({ id }) => id === '1')
    expect(JSON.stringify(answer)).toContain('FORBIDDEN')
    expect(await first(1, { destinationId }, gateway.admin)).toHaveLength(1)
  })
})
