// Stands between a driver and its server and does to their connections what networks and servers do on bad days.
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'

/** `cut` ends the connection in good order, `reset` does not, `stall` leaves it open and moves nothing on it any more. */
export type Break = 'cut' | 'reset' | 'stall'

export interface FaultyProxy {
  port: number
  /** Bytes that went to the server so far; over HTTP those of bodies alone. */
  sent(): number
  /** Connections that were made so far. */
  connections(): number
  /**
   * Lets so many more bytes through to the server, then does that to the connection that carries them; as often as
   * told, counting anew each time.
   */
  breakAfter(bytes: number, how: Break, times?: number): void
  /** From now on everything is well. What stalls already goes on stalling, until its connection is closed. */
  heal(): void
  close(): Promise<void>
}

export interface HttpFaultyProxy extends FaultyProxy {
  /** How many requests came so far, answered or not. */
  requests(): number
  /** Gives this answer to the next requests (of those that `fits` names); the server does not hear of them. */
  answerNext(times: number, answer: CannedAnswer, fits?: Only): void
  /** Lets the server do what the next requests ask for, and resets the connection in place of its answer. */
  loseAnswers(times: number, fits?: Only): void
}
export interface CannedAnswer {
  status: number
  headers?: Record<string, string>
  body?: string
}
export type Only = (request: http.IncomingMessage) => boolean

/** Before any server that listens on this port of 127.0.0.1. */
export async function faultyProxy(serverPort: number): Promise<FaultyProxy> {
  const faults = byteFaults()
  const server = net.createServer((client) => {
    const upstream = net.connect(serverPort, '127.0.0.1')
    const way = forward({ from: client, to: upstream, faults, client })
    upstream.pipe(client)
    client.on('end', () => way.isBroken() || upstream.end())
    client.on('close', () => upstream.destroy()).on('error', () => {})
    upstream.on('error', () => client.resetAndDestroy())
  })
  return { ...faults.controls, ...(await listening(server)) }
}

/** Before an HTTP server: one that tells requests apart, and can answer in the server's place. */
export async function httpFaultyProxy(serverPort: number): Promise<HttpFaultyProxy> {
  const faults = byteFaults()
  let [canned, lost]: [Planned<CannedAnswer>, Planned<null>] = [null, null]
  let requests = 0
  const agent = new http.Agent({ keepAlive: true })
  const server = http.createServer((request, response) => {
    requests += 1
    const answer = take(canned, request)
    if (answer) {
      request.resume()
      response.writeHead(answer.value.status, answer.value.headers).end(answer.value.body)
      return
    }
    const isLost = take(lost, request) !== null
    const { method, url: path, rawHeaders: headers, socket } = request
    const upstream = http.request({ port: serverPort, host: '127.0.0.1', method, path, headers, agent })
    const way = forward({ from: request, to: upstream, faults, client: socket })
    request.on('end', () => way.isBroken() || upstream.end())
    upstream.on('error', () => socket.destroy())
    upstream.on('response', (answered) => {
      if (isLost) {
        answered.resume().on('end', () => socket.resetAndDestroy())
        return
      }
      response.writeHead(answered.statusCode ?? 0, answered.rawHeaders)
      answered.on('error', () => socket.destroy()).pipe(response)
    })
    response.on('close', () => {
      if (!response.writableFinished) upstream.destroy()
    })
  })
  // Never the first to hang up: what breaks is what was asked for.
  server.keepAliveTimeout = 0
  server.requestTimeout = 0
  const { port, connections, close } = await listening(server)
  return {
    ...faults.controls,
    port,
    connections,
    requests: () => requests,
    answerNext(times, value, fits = () => true) {
      canned = { left: times, value, fits }
    },
    loseAnswers(times, fits = () => true) {
      lost = { left: times, value: null, fits }
    },
    heal() {
      faults.controls.heal()
      canned = null
      lost = null
    },
    async close() {
      agent.destroy()
      await close()
    },
  }
}

type Planned<T> = { left: number; value: T; fits: Only } | null
function take<T>(planned: Planned<T>, request: http.IncomingMessage): { value: T } | null {
  if (!planned || planned.left === 0 || !planned.fits(request)) return null
  planned.left -= 1
  return planned
}

function byteFaults() {
  let sent = 0
  let plan: { bytes: number; left: number; how: Break; times: number } | null = null
  return {
    /** How many of these bytes go through, and what happens then. */
    pass(bytes: number): { through: number; then: Break | null } {
      const isBroken = plan !== null && plan.left < bytes
      const through = isBroken && plan ? plan.left : bytes
      const then = isBroken && plan ? plan.how : null
      sent += through
      if (plan) plan.left -= through
      if (isBroken && plan) {
        plan.times -= 1
        plan.left = plan.bytes
        if (plan.times === 0) plan = null
      }
      return { through, then }
    },
    controls: {
      sent: () => sent,
      breakAfter(bytes: number, how: Break, times = 1) {
        plan = { bytes, left: bytes, how, times }
      },
      heal() {
        plan = null
      },
    },
  }
}

interface Way {
  from: NodeJS.ReadableStream
  to: NodeJS.WritableStream
  faults: ReturnType<typeof byteFaults>
  client: net.Socket
}
function forward({ from, to, faults, client }: Way): { isBroken(): boolean } {
  let isBroken = false
  from.on('data', (chunk: Buffer) => {
    if (isBroken) return
    const { through, then } = faults.pass(chunk.length)
    if (!to.write(chunk.subarray(0, through))) {
      from.pause()
      to.once('drain', () => from.resume())
    }
    isBroken = then !== null
    if (then === 'cut') client.end()
    if (then === 'reset') client.resetAndDestroy()
  })
  return { isBroken: () => isBroken }
}

async function listening(server: net.Server) {
  const sockets = new Set<net.Socket>()
  let connections = 0
  server.on('connection', (socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
