// Queries a second over HTTP, with authentication, limits and everything on, against Mercurius with its JIT and bare
// resolvers, and against plain node:http: on the same SQLite file, with the same documents, in turn.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { runCommand, startServer } from '../support/gateway-process.ts'
import { fillApiData } from './api-data.ts'
import { type Document, documents } from './api-documents.ts'
import { installPeers, type Load, startClient, startPeer } from './peers.ts'
import { cpuSeconds } from './processes.ts'
import { bar, figure, heading, median } from './report.ts'

const CONNECTIONS = 32
const { values: options } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '6' },
    documents: { type: 'string', default: 'abc' },
    only: { type: 'string', default: 'ours,mercurius,plain' },
  },
})
const ROUNDS = Number(options.rounds)
const SECONDS = Number(options.seconds)

interface Contestant {
  name: string
  url: string
  pid: number | undefined
  headers(document: Document): Record<string, string>
}
/** What one turn measured. */
interface Turn extends Load {
  /** Processor time of the server per request, in microseconds: the figure that a busy machine blurs least. */
  cpuPerRequest: number
}

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-bench-'))
const file = path.join(dir, 'gateway.db')
const env = { DATA_DIR: dir, ADMIN_TOKEN: 'bench-token-0123456789', RATE_LIMIT_PER_MINUTE: '100000000' }
const stops: (() => Promise<void>)[] = []
try {
  await installPeers()
  const data = await fillApiData(file)
  const contestants = await start(
    options.only.split(','),
    data.map(({ id }) => id),
  )
  const client = startClient()
  stops.push(client.stop)
  heading(
    `${CONNECTIONS} connections, node ${process.version}, ${os.availableParallelism()} cores; ${ROUNDS} rounds of ${SECONDS} s in turn, after as long a warm-up; medians`,
  )
  for (const document of documents(data)) {
    if (options.documents.includes(document.key)) await measure(document, contestants, client)
  }
} finally {
  for (const stop of stops) await stop()
  fs.rmSync(dir, { recursive: true, force: true })
}

async function start(names: string[], destinationIds: string[]): Promise<Contestant[]> {
  const contestants: Contestant[] = []
  const json = { 'content-type': 'application/json' }
  if (names.includes('ours')) {
    const server = await startServer(env)
    stops.push(server.stop)
    const partner = await runCommand(
      ['token', 'create', '--name', 'partner', '--role', 'PARTNER', '--destination', ...destinationIds],
      env,
    )
    const tokens = { ADMIN: env.ADMIN_TOKEN, PARTNER: partner.stdout.trim() }
    contestants.push({
      name: 'ours',
      url: server.url,
      pid: server.child.pid,
      headers: ({ role }) => ({ ...json, authorization: `Bearer ${tokens[role]}` }),
    })
  }
  for (const name of ['mercurius', 'plain'] as const) {
    if (!names.includes(name)) continue
    const peer = await startPeer(name, file)
    stops.push(peer.stop)
    contestants.push({ name, url: peer.url, pid: peer.pid, headers: () => json })
  }
  return contestants
}

async function measure(
  document: Document,
  contestants: Contestant[],
  client: ReturnType<typeof startClient>,
): Promise<void> {
  heading(`(${document.key}) ${document.about}`)
  const sizes = await compare(document, contestants)
  const turns = contestants.map((): Turn[] => [])
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (let place = 0; place < contestants.length; place += 1) {
      const who = (place + round) % contestants.length
      const { url, pid, headers } = contestants[who]!
      const { bodies } = document
      const cpu = cpuSeconds(pid)
      const load = await client.load({
        url,
        headers: headers(document),
        bodies,
        sizes: sizes[who]!,
        connections: CONNECTIONS,
        seconds: SECONDS,
      })
      const cpuPerRequest = ((cpuSeconds(pid) - cpu) / load.requests) * 1e6
      if (round > 0) turns[who]!.push({ ...load, cpuPerRequest }) // the first is a warm-up
    }
  }
  contestants.forEach(({ name }, who) => {
    const of = (value: (turn: Turn) => number) => median(turns[who]!.map(value))
    const rate = Math.round(of((turn) => turn.perSecond)).toLocaleString('en')
    const latency = `p50 ${of((turn) => turn.p50).toFixed(1)} ms, p99 ${of((turn) => turn.p99).toFixed(1)} ms`
    const cpu = `${Math.round(of((turn) => turn.cpuPerRequest))} µs of processor per request`
    const client = `client ${Math.round(of((turn) => turn.clientCpu) * 100)} % of a core`
    figure(name, `${rate} requests/s, ${latency}`, `${cpu}; ${client}`)
  })
  for (const other of ['mercurius', 'plain']) {
    const [ours, theirs] = ['ours', other].map(
      (name) => turns[contestants.findIndex((one) => one.name === name)],
    )
    if (!ours || !theirs) continue
    // Of the same round: what else the machine did then, it did to both.
    const of = (value: (turn: Turn) => number) =>
      median(ours.map((turn, round) => value(turn) / value(theirs[round]!)))
    const rate = of((turn) => turn.perSecond)
    const verdict = other === 'mercurius' ? bar(rate >= 0.8, 'at least 0.8; aim 1.2') : ''
    const cpu = (1 / of((turn) => turn.cpuPerRequest)).toFixed(2)
    figure(`ours / ${other}`, `${rate.toFixed(2)} (by processor time ${cpu})`, verdict)
  }
}

/** Asks everybody everything once. Who is fast must also be right: the answers must be equal. Gives their sizes. */
async function compare(document: Document, contestants: Contestant[]): Promise<number[][]> {
  const answers = await Promise.all(
    contestants.map(({ url, headers }) =>
      Promise.all(
        document.bodies.map(async (body) => {
          const init = { method: 'POST', headers: headers(document), body }
          const bytes = await (await fetch(`${url}/graphql`, init)).bytes()
          return { bytes: bytes.length, ...JSON.parse(Buffer.from(bytes).toString()) }
        }),
      ),
    ),
  )
  for (const [turn, { name }] of contestants.entries()) {
    for (const [place, { data, errors }] of answers[turn]!.entries()) {
      assert.equal(errors, undefined, `${name} refused (${document.key}): ${JSON.stringify(errors)}`)
      assert.deepEqual(data, answers[0]![place].data, `${name} answers (${document.key}) otherwise`)
    }
  }
  return answers.map((all) => all.map(({ bytes }) => bytes))
}
