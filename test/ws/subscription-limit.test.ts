import { afterEach, beforeEach, expect, it } from 'vitest'
import { type TestGateway, testGateway } from '../support/api.ts'
import { openStream, resultsIn } from '../support/sse-client.ts'
import { type Watching, watching } from '../support/watching.ts'
import { admitted } from '../support/ws-client.ts'

let gateway: TestGateway
let url: string
let watched: Watching
beforeEach(async () => {
  gateway = await testGateway({ maxSubscriptionsPerToken: 4 })
  url = await gateway.serve()
  watched = await watching(gateway)
})
afterEach(() => gateway.dispose())

it('counts the subscriptions of a token over all of its connections, and gives places back', async () => {
  const { slots } = gateway.parts
  const token = await gateway.token(['VIEWER'])
  const [events, updated, changed] = watched.subscriptions
  const one = await admitted(url, token)
  const two = await admitted(url, token)
  const left = new AbortController()
  one.subscribe('1', events!.query, events!.variables)
  one.subscribe('2', updated!.query, updated!.variables)
  two.subscribe('3', changed!.query, changed!.variables)
  const sse = await openStream(url, { token, ...events!, signal: left.signal })
  await resultsIn(sse.chunks).next()
  await expect.poll(slots.count).toBe(4)

  const refusedOver = async () => {
    const overHttp = await openStream(url, { token, ...updated! })
    const { value } = await resultsIn(overHttp.chunks).next()
    const [first] = value.errors
    const id = crypto.randomUUID()
    two.subscribe(id, events!.query, events!.variables)
    const { type, payload } = await two.hear((message) => message.id === id && message.type !== 'complete')
    const [second] = type === 'error' ? payload : payload.errors
    return [overHttp.status, first.extensions.code, second.extensions.code, second.message]
  }
  const message = 'A token may have at most 4 subscriptions at the same time. End some that are not needed.'
  expect(await refusedOver()).toEqual([429, 'SUBSCRIPTION_LIMIT', 'SUBSCRIPTION_LIMIT', message])
  expect(slots.count()).toBe(4)

  const other = await admitted(url, await gateway.token(['VIEWER']))
  other.subscribe('1', events!.query, events!.variables)
  await other.hear(({ type }) => type === 'next')
  expect(slots.count()).toBe(5)

  left.abort()
  one.say({ type: 'complete', id: '1' })
  one.say({ type: 'complete', id: '2' })
  two.socket.terminate()
  other.socket.close()
  await expect.poll(slots.count).toBe(0)
  const again = await admitted(url, token)
  for (const id of ['1', '2', '3', '4']) again.subscribe(id, updated!.query, updated!.variables)
  await expect.poll(slots.count).toBe(4)
})

it('takes no place for what is refused, or over at once', async () => {
  const token = await gateway.token(['VIEWER'])
  const client = await admitted(url, token)
  const [events] = watched.subscriptions
  for (let index = 0; index < 10; index += 1) {
    const id = String(index)
    client.subscribe(id, events!.query, { id: `run_${'0'.repeat(32)}` })
    await client.hear((message) => message.id === id)
    await openStream(url, { token, query: events!.query, variables: { id: watched.runId, after: 'x' } })
  }
  expect(gateway.parts.slots.count()).toBe(0)
})
