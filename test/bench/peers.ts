// What the gateway is measured against and with: a package of its own, installed when a bench first needs it.
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { runProcess } from '../support/gateway-process.ts'
import { order } from './processes.ts'

const FOLDER = path.join(import.meta.dirname, 'peers')

/** Installs the peers' packages unless those of the lock file are there. */
export async function installPeers(): Promise<void> {
  const [wanted = 0, installed = 0] = ['package-lock.json', 'node_modules/.package-lock.json'].map(
    (file) => fs.statSync(path.join(FOLDER, file), { throwIfNoEntry: false })?.mtimeMs,
  )
  if (installed >= wanted) return
  console.log('Installing the peers’ packages (npm ci)')
  await runProcess('npm', ['ci', '--prefix', FOLDER])
}

export interface Peer {
  url: string
  pid: number | undefined
  stop(): Promise<void>
}

/** Starts a peer's server on the gateway's database file. */
export async function startPeer(name: 'mercurius' | 'plain', file: string): Promise<Peer> {
  const child = spawn(process.execPath, [path.join(FOLDER, `${name}.js`), file], {
    env: { ...process.env, NODE_ENV: 'production' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'close').then(() => Promise.reject(new Error(`${name} ended before it listened`))),
  ])
  const url = String(line).replace('listening on ', '').trim()
  return { url, pid: child.pid, stop: () => stopped(child) }
}

export interface LoadOrder {
  url: string
  headers: Record<string, string>
  bodies: string[]
  /** Bytes of the answer to each body: any other is a wrong answer. */
  sizes: number[]
  connections: number
  seconds: number
}
export interface Load {
  requests: number
  perSecond: number
  /** Milliseconds. */
  p50: number
  p99: number
  /** Share of one core that the client took. */
  clientCpu: number
}

/** Starts the process that makes the load. */
export function startClient() {
  const child = fork(path.join(FOLDER, 'load.js'))
  return {
    /** @throws Error when an answer was wrong */
    load: (what: LoadOrder) => order<Load>(child, 'load', what),
    stop: () => order(child, 'stop'),
  }
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const closed = once(child, 'close')
  child.kill()
  await closed
}
