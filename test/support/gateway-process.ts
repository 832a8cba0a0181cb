// The gateway as its users run it: child processes, measured from outside.
import { type ChildProcess, spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'

const MAIN = path.join(import.meta.dirname, '../../src/main.ts')

export interface Measured {
  seconds: number
  /** Largest resident memory in MB; null where the system does not tell. */
  peakMb: number | null
  stdout: string
}

/** Runs a command of the gateway to its end. */
export async function runCommand(args: string[], env: Record<string, string>): Promise<Measured> {
  return runProcess(process.execPath, [MAIN, ...args], env)
}

export async function runProcess(
  command: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<Measured> {
  const began = performance.now()
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  let peakMb: number | null = null
  child.stdout?.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const timer = setInterval(() => {
    peakMb = peakMemoryMb(child.pid) ?? peakMb
  }, 50)
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  clearInterval(timer)
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} exited with ${code}:\n${stderr.slice(-2000)}`)
  return { seconds: (performance.now() - began) / 1000, peakMb, stdout }
}

export interface Server {
  url: string
  child: ChildProcess
  /** Largest resident memory since the last reset. */
  peakMb(): number | null
  resetPeak(): void
  stop(): Promise<void>
}

/** @param log where its log goes: a file that is open, or the log of this process */
export async function startServer(
  env: Record<string, string>,
  log: number | 'inherit' = 'inherit',
): Promise<Server> {
  const child = spawn(process.execPath, [MAIN, 'serve'], {
    env: { ...process.env, PORT: '0', LOG_LEVEL: 'error', ...env },
    stdio: ['ignore', 'pipe', log],
  })
  const url = await new Promise<string>((resolve, reject) => {
    let out = ''
    child.stdout?.on('data', (chunk) => {
      out += chunk
      const match = /listening on (\S+)/.exec(out)
      if (match?.[1]) resolve(match[1])
    })
    child.on('close', () => reject(new Error('the server ended before it listened')))
  })
  return {
    url,
    child,
    peakMb: () => peakMemoryMb(child.pid),
    resetPeak: () => {
      if (process.platform === 'linux') fs.writeFileSync(`/proc/${child.pid}/clear_refs`, '5')
    },
    stop: () =>
      new Promise((resolve) => {
        child.on('close', () => resolve())
        child.kill('SIGTERM')
      }),
  }
}

function peakMemoryMb(pid: number | undefined): number | null {
  try {
    const match = /VmHWM:\s+(\d+) kB/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))
    return match?.[1] ? Math.round(Number(match[1]) / 1024) : null
  } catch {
    return null
  }
}
