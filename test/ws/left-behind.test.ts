import { connect } from 'node:net'
import { expect, it, vi } from 'vitest'
import { testGateway } from '../support/api.ts'
import { happen } from '../support/run-log.ts'
import { type Watching, watching } from '../support/watching.ts'
import { admitted } from '../support/ws-client.ts'

const VANISHING = 100

/** Timers that were set from now on and neither have fired nor were cleared. */
function countTimers(): () => number {
  const live = new Set<unknown>()
  const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis
  const forget = (timer: unknown) => live.delete(timer)
  const fakes = {
    setTimeout(work: () => void, ms: number) {
      const timer = setTimeout(() => {
        forget(timer)
        work()
      }, ms)
      live.add(timer)
      return timer
    },
    setInterval(work: () => void, ms: number) {
      const timer = setInterval(work, ms)
      live.add(timer)
      return timer
    },
    clearTimeout(timer: NodeJS.Timeout) {
      forget(timer)
      clearTimeout(timer)
    },
    clearInterval(timer: NodeJS.Timeout) {
      forget(timer)
      clearInterval(timer)
    },
  }
  for (const [name, fake] of Object.entries(fakes)) vi.stubGlobal(name, fake)
  return () => live.size
}

it('leaves nothing behind when watchers of anything vanish without a goodbye', async () => {
  const gateway = await testGateway()
  const url = await gateway.serve()
  const { runId, subscriptions } = await watching(gateway)
  gateway.test.database.wake.notify('nobody') // what waking needs is there from here on
  const timers = countTimers()
  const { wake } = gateway.test.database
  let waiting = 0
  const wait = wake.wait.bind(wake)
  wake.wait = async (...args) => {
    waiting += 1
    await wait(...args)
    waiting -= 1
  }
  const { slots, sessions } = gateway.parts
  const left = () => ({ timers: timers(), waiting, slots: slots.count(), sessions: sessions.count() })
  const before = left()

  /** One socket with one subscription, until it is told something. */
  const overWebSocket = async ({ query, variables }: Watching['subscriptions'][0]) => {
    const client = await admitted(url, gateway.admin)
    client.subscribe('1', query, variables)
    await client.hear(({ type }) => type === 'next')
    return () => client.socket.terminate()
  }
  const dialSse = ({ query, variables }: Watching['subscriptions'][0]) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.on('error', () => {})
    const body = JSON.stringify({ query, variables })
    const head = `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\nAuthorization: Bearer ${gateway.admin}\r\nContent-Length: ${Buffer.byteLength(body)}`
    socket.write(`${head}\r\n\r\n${body}`)
    return socket
  }
  const overSse = async (subscription: Watching['subscriptions'][0]) => {
    const socket = dialSse(subscription)
    let text = ''
    await new Promise<void>((resolve) =>
      socket.on('data', (data) => {
        text += data
        if (text.includes('event: next')) resolve()
      }),
    )
    return () => socket.resetAndDestroy()
  }

  try {
    for (const subscription of subscriptions) {
      for (const open of [overWebSocket, overSse]) {
        const vanish = await Promise.all(Array.from({ length: VANISHING }, () => open(subscription)))
        expect(slots.count()).toBe(VANISHING)
        expect(sessions.count()).toBeGreaterThanOrEqual(VANISHING)
        expect(waiting).toBeLessThanOrEqual(2)
        expect(timers()).toBeGreaterThan(before.timers)
        for (const [index, go] of vanish.entries()) {
          go()
          // In the middle of what is told, too.
          if (index === VANISHING / 2) await happen(gateway.test, runId, 'PROGRESS', index)
        }
        const name = `${subscription.name} ${open.name}`
        await expect.poll(() => ({ name, ...left() }), { timeout: 10_000 }).toEqual({ name, ...before })
      }
    }
    // Some that go before they are told anything.
    for (const subscription of subscriptions) {
      const early = Array.from({ length: 20 }, async () => {
        const client = await admitted(url, gateway.admin)
        client.subscribe('1', subscription.query, subscription.variables)
        client.socket.terminate()
        const socket = dialSse(subscription)
        setImmediate(() => socket.resetAndDestroy())
      })
      await Promise.all(early)
    }
    await expect.poll(left, { timeout: 10_000 }).toEqual(before)
    expect(gateway.logged).toEqual([])
  } finally {
    vi.unstubAllGlobals()
    await gateway.dispose()
  }
})
