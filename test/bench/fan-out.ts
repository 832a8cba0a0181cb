// Many watchers of one run: the gateway in one process, all WebSocket clients in another.
import { type ChildProcess, execFileSync, fork } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { fillApiData } from './api-data.ts'
import { cpuSeconds, order, residentBytes, waitedSeconds } from './processes.ts'
import { bar, figure, heading } from './report.ts'

/** A client has many watchers, but not all of them. */
const WATCHERS_PER_TOKEN = 50
/** Connected and gone before memory is measured, so that what is loaded once is not counted as theirs. */
const FIRST_WATCHERS = 100
const UNTIMED_SECONDS = 2

const { values: options } = parseArgs({
  allowPositionals: true,
  options: {
    subscribers: { type: 'string', default: '5000' },
    rate: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '15' },
  },
})
const SUBSCRIBERS = Number(options.subscribers)
const RATE = Number(options.rate)
const EVENTS = RATE * (UNTIMED_SECONDS + Number(options.seconds))

const openFiles = Number(execFileSync('sh', ['-c', 'ulimit -n']).toString())
if (openFiles < SUBSCRIBERS + 200) {
  throw new Error(
    `${SUBSCRIBERS} sockets need more than ${openFiles} open files: ulimit -n ${SUBSCRIBERS + 200}`,
  )
}
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-bench-'))
const children: ChildProcess[] = []
try {
  await fillApiData(path.join(dir, 'gateway.db'), 1)
  const server = start('fan-out-server.ts')
  const client = start('fan-out-client.ts')
  heading(
    `${SUBSCRIBERS.toLocaleString('en')} subscribers of one run, ${RATE} events/s; node ${process.version}, ${os.availableParallelism()} cores`,
  )
  const tokens = Math.ceil(SUBSCRIBERS / WATCHERS_PER_TOKEN)
  const watched = await order<object>(server, 'prepare', { tokens })

  await order(client, 'connect', { ...watched, count: FIRST_WATCHERS })
  await order(client, 'disconnect')
  const before = await order<Memory>(server, 'memory')
  const { seconds } = await order<{ seconds: number }>(client, 'connect', { ...watched, count: SUBSCRIBERS })
  const idle = await order<Memory>(server, 'memory')
  const each = (idle.rss - before.rss) / SUBSCRIBERS
  const heap = (idle.heapUsed - before.heapUsed) / SUBSCRIBERS
  figure('all subscribed within', `${seconds.toFixed(1)} s`)
  figure(
    'memory per idle subscriber',
    `${kilobytes(each)} resident, ${kilobytes(heap)} of heap`,
    // What was free before may be used now: then there is more on the heap than was added to the process.
    bar(Math.max(each, heap) < 25_000, 'under 25 KB'),
  )

  await order(client, 'expect', { untimed: RATE * UNTIMED_SECONDS })
  const began = performance.now()
  const measured = [server, client].map((child) => usageOf(child.pid))
  const played = await order<Played>(server, 'play', { events: EVENTS, perSecond: RATE })
  const usages = measured.map((usage) => usage(played.seconds))
  const heard = await order<Heard>(client, 'results', { events: EVENTS, milliseconds: 10_000 })
  const took = (performance.now() - began) / 1000
  const expected = SUBSCRIBERS * EVENTS
  figure('events', `${EVENTS} in ${played.seconds.toFixed(1)} s`, `${(EVENTS / played.seconds).toFixed(1)}/s`)
  figure('deliveries', `${heard.delivered.toLocaleString('en')} of ${expected.toLocaleString('en')}`)
  figure('deliveries a second', Math.round(heard.delivered / took).toLocaleString('en'))
  figure(
    'lost',
    `${heard.lost}, out of order ${heard.disordered}`,
    bar(heard.lost === 0 && heard.disordered === 0, 'none'),
  )
  figure(
    'subscriptions that were told the end',
    `${heard.completed}`,
    bar(heard.completed === SUBSCRIBERS, 'all'),
  )
  figure(
    'from the event to the client',
    `p50 ${heard.p50} ms, p99 ${heard.p99} ms, longest ${heard.max} ms`,
    bar(heard.p99 < 250, 'p99 under 250 ms'),
  )
  const [ofServer, ofClient] = usages
  figure('server', `${Math.round(residentBytes(server.pid) / 1e6)} MB, ${ofServer?.text}`)
  figure(
    'client',
    `${ofClient?.text}`,
    ofClient && ofClient.cpu > 0.9 ? 'saturated: it is the client that is measured' : '',
  )
} finally {
  for (const child of children) if (child.connected) await order(child, 'stop')
  fs.rmSync(dir, { recursive: true, force: true })
}

interface Memory {
  rss: number
  heapUsed: number
}
interface Played {
  seconds: number
}
interface Heard {
  delivered: number
  lost: number
  disordered: number
  completed: number
  p50: number
  p99: number
  max: number
}

/** From now on until asked: what a process used, and what others kept from it. */
function usageOf(pid: number | undefined) {
  const [cpuBefore, waitedBefore] = [cpuSeconds(pid), waitedSeconds(pid)]
  return (seconds: number) => {
    const cpu = (cpuSeconds(pid) - cpuBefore) / seconds
    const waited = (waitedSeconds(pid) - waitedBefore) / seconds
    const percent = (share: number) => `${Math.round(share * 100)} %`
    return { cpu, text: `${percent(cpu)} of a core, waited for one ${percent(waited)} of the time` }
  }
}

function start(script: string): ChildProcess {
  const child = fork(path.join(import.meta.dirname, script), {
    env: {
      ...process.env,
      DATA_DIR: dir,
      PORT: '0',
      LOG_LEVEL: 'warn',
      ADMIN_TOKEN: 'bench-token-0123456789',
      MAX_SUBSCRIPTIONS_PER_TOKEN: String(SUBSCRIBERS),
    },
    execArgv: ['--expose-gc'],
  })
  children.push(child)
  return child
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} KB`
}
