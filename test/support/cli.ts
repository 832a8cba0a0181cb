// The command line as its users have it: a child process with settings of its own.
import { type ChildProcess, spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

const MAIN = path.join(import.meta.dirname, '../../src/main.ts')

export interface CliResult {
  code: number | null
  stdout: string
  stderr: string
}
export interface RunningCli {
  child: ChildProcess
  /** Resolves to the match once stdout holds it; rejects when the process ends before. */
  saw(pattern: RegExp): Promise<RegExpExecArray>
  ended: Promise<CliResult>
}

/** A temporary folder and what runs in it; `dispose` ends what is left and removes the folder. */
export function cliFolder() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-cli-'))
  const running = new Set<RunningCli>()
  const start = (args: string[], settings: Record<string, string> = {}, input?: string): RunningCli => {
    const cli = startCli(args, { DATA_DIR: path.join(dir, 'data'), PORT: '0', ...settings }, input)
    running.add(cli)
    return cli
  }
  return {
    dir,
    start,
    run: (args: string[], settings: Record<string, string> = {}, input = '') =>
      start(args, settings, input).ended,
    async dispose() {
      for (const { child, ended } of running) {
        if (child.exitCode === null) child.kill('SIGKILL')
        await ended
      }
      fs.rmSync(dir, { recursive: true, force: true })
    },
  }
}

function startCli(args: string[], settings: Record<string, string>, input?: string): RunningCli {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env.PATH, LOG_LEVEL: 'warn', ...settings },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const result: CliResult = { code: null, stdout: '', stderr: '' }
  const watchers = new Set<() => void>()
  child.stdout.setEncoding('utf8').on('data', (text) => {
    result.stdout += text
    for (const watcher of watchers) watcher()
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    result.stderr += text
  })
  child.stdin.on('error', () => {}) // it may end without reading
  if (input !== undefined) child.stdin.end(input)
  const ended = new Promise<CliResult>((resolve) => {
    child.on('close', (code) => {
      result.code = code
      resolve(result)
    })
  })
  const saw = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(result.stdout)
        if (!match) return
        watchers.delete(look)
        resolve(match)
      }
      watchers.add(look)
      look()
      ended.then(() => reject(new Error(`ended without ${pattern}: ${JSON.stringify(result)}`)))
    })
  return { child, saw, ended }
}
