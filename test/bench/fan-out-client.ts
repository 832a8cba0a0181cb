// The watchers: one process, many sockets. As lean as it can be, so that it is the gateway that is measured: frames are
// not parsed, what matters is found in them.
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { answerOrders } from './processes.ts'

const DOCUMENT =
  'subscription ($runId: ID!) { runEvents(runId: $runId) { cursor type status progress { exported percent } at } }'
const AT_ONCE = 50
const AT = Buffer.from('"at":"')
const EXPORTED = Buffer.from('"exported":')
const LENGTH_OF_AT = '2026-11-22T09:30:00.000Z'.length
const COMMA = 0x2c
const BRACE = 0x7d

interface Watcher {
  socket: WebSocket
  /** The last event seen: events are counted by `exported`. */
  seen: number
}
const watchers: Watcher[] = []
let [delivered, disordered, completed, warmup] = [0, 0, 0, 0]
/** Deliveries per millisecond of latency. */
let latencies = new Uint32Array(60_000)
let known = { text: '', ms: 0 }

answerOrders({
  /** Subscribes, and waits until each watcher has been told what happened so far. */
  async connect(order: { url: string; runId: string; secrets: string[]; count: number }) {
    const { url, runId, secrets, count } = order
    const began = performance.now()
    let next = 0
    const connections = Array.from({ length: AT_ONCE }, async () => {
      while (next < count) {
        const secret = secrets[next++ % secrets.length] ?? ''
        watchers.push(await watch(`${url.replace('http', 'ws')}/graphql`, secret, runId))
      }
    })
    await Promise.all(connections)
    return { seconds: (performance.now() - began) / 1000 }
  },

  async disconnect() {
    const closing = watchers.splice(0).map(({ socket }) => {
      const closed = once(socket, 'close')
      socket.close()
      return closed
    })
    await Promise.all(closing)
  },

  /** The first events are not timed: the code is still warming up. */
  expect({ untimed }: { untimed: number }) {
    ;[delivered, disordered, completed, warmup] = [0, 0, 0, untimed]
    latencies = new Uint32Array(latencies.length)
  },

  /** Waits for the end of every subscription, at most `milliseconds`, and tells how it went. */
  async results({ events, milliseconds }: { events: number; milliseconds: number }) {
    const end = performance.now() + milliseconds
    while (completed < watchers.length && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    return { delivered, lost: events * watchers.length - delivered, disordered, completed, ...quantiles() }
  },

  stop() {
    for (const { socket } of watchers) socket.terminate()
  },
})

async function watch(url: string, secret: string, runId: string): Promise<Watcher> {
  const socket = new WebSocket(url, 'graphql-transport-ws', {
    perMessageDeflate: false,
    skipUTF8Validation: true,
  })
  await once(socket, 'open')
  socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${secret}` } }))
  const [ack] = await once(socket, 'message')
  if (!String(ack).includes('connection_ack')) throw new Error(`refused: ${ack}`)
  const payload = { query: DOCUMENT, variables: { runId } }
  socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload }))
  const [first] = await once(socket, 'message')
  if (!String(first).includes('"type":"next"')) throw new Error(`refused: ${first}`)
  const watcher = { socket, seen: 0 }
  socket.on('message', (data: Buffer) => note(watcher, data))
  socket.on('error', () => {})
  return watcher
}

function note(watcher: Watcher, frame: Buffer): void {
  const place = frame.indexOf(AT)
  if (place < 0) {
    if (frame.includes('"type":"complete"')) completed += 1
    return
  }
  const count = numberAfter(frame, EXPORTED)
  // What happened before the first step, and the end, which repeats the last count.
  if (count === watcher.seen) return
  delivered += 1
  if (count !== watcher.seen + 1) disordered += 1
  watcher.seen = count
  if (count <= warmup) return
  const text = frame.toString('latin1', place + AT.length, place + AT.length + LENGTH_OF_AT)
  // All watchers hear of the same moment one after the other.
  if (text !== known.text) known = { text, ms: Date.parse(text) }
  const taken = Math.min(latencies.length - 1, Math.max(0, Date.now() - known.ms))
  latencies[taken] = (latencies[taken] ?? 0) + 1
}

function numberAfter(frame: Buffer, name: Buffer): number {
  let place = frame.indexOf(name) + name.length
  let value = 0
  for (; ; place += 1) {
    const byte = frame[place]
    if (byte === undefined || byte === COMMA || byte === BRACE) return value
    value = value * 10 + byte - 0x30
  }
}

/** Milliseconds within which half, 99 in a hundred, and all events were delivered. */
function quantiles(): { p50: number; p99: number; max: number } {
  const total = latencies.reduce((sum, count) => sum + count, 0)
  const within = (share: number) => {
    let sum = 0
    const found = latencies.findIndex((count) => {
      sum += count
      return sum > 0 && sum >= total * share
    })
    return found < 0 ? latencies.length : found
  }
  return { p50: within(0.5), p99: within(0.99), max: within(1) }
}
