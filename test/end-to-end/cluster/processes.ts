// Gateways and workers as an operator runs them: each comes back when it has ended, whatever it ended by.
import { type ChildProcess, spawn } from 'node:child_process'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const MAIN = path.join(import.meta.dirname, '../../../src/main.ts')
const RESTART_MS = 300

export interface Member {
  name: string
  /** Of a gateway that has listened once. */
  url: string
  /** How often it was killed. */
  kills: number
  /** Whether it is at work now. */
  readonly isUp: boolean
  /** Ends it at once; it comes back. */
  kill(): void
  /** Asks it to stop, for good; its exit code. */
  stop(): Promise<number | null>
  /** Resolves when it is at work, now or again. */
  up(): Promise<void>
  /** What it wrote on stderr since it was started first. */
  log(): string
}

export function startMember(options: {
  name: string
  command: 'serve' | 'worker'
  env: Record<string, string>
}): Member {
  const { name, command, env } = options
  let child: ChildProcess
  let isStopping = false
  let log = ''
  let isUp = false
  let ended: Promise<number | null>

  const start = () => {
    child = spawn(process.execPath, [MAIN, command], {
      env: { PATH: process.env.PATH, PORT: '0', LOG_LEVEL: 'fatal', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const own = child
    let out = ''
    own.stdout?.on('data', (chunk) => {
      out += chunk
      const match = /(?:listening|working) on (\S+)/.exec(out)
      if (!match) return
      if (command === 'serve') member.url = match[1] ?? ''
      isUp = true
    })
    own.stderr?.on('data', (chunk) => {
      log += chunk
    })
    ended = new Promise((resolve) => {
      own.once('close', async (code) => {
        isUp = false
        resolve(code)
        if (isStopping) return
        await sleep(RESTART_MS)
        if (!isStopping) start()
      })
    })
  }
  const member: Member = {
    name,
    url: 'http://127.0.0.1:1',
    kills: 0,
    get isUp() {
      return isUp
    },
    kill() {
      member.kills += 1
      isUp = false
      child.kill('SIGKILL')
    },
    async stop() {
      isStopping = true
      child.kill('SIGTERM')
      return ended
    },
    async up() {
      while (!isUp) await sleep(50)
    },
    log: () => log,
  }
  start()
  return member
}
