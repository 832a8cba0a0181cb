// The processes of a bench: orders to them, and what the system tells of them.
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'

const TICKS_PER_SECOND = 100

/** Processor time that a process has taken so far, all of its threads. NaN where the system does not tell. */
export function cpuSeconds(pid: number | undefined): number {
  // After the name in brackets, which may hold anything: fields 14 and 15 are user and system time.
  const fields = read(`/proc/${pid}/stat`)?.split(') ').at(-1)?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/**
 * How long a process's main thread was ready to run and had no core: what the rest of the machine took from it. NaN
 * where the system does not tell.
 */
export function waitedSeconds(pid: number | undefined): number {
  return Number(read(`/proc/${pid}/schedstat`)?.split(' ')[1]) / 1e9
}

/** Resident memory in bytes; NaN where the system does not tell. */
export function residentBytes(pid: number | undefined): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(read(`/proc/${pid}/status`) ?? '')?.[1]) * 1024
}

function read(file: string): string | null {
  try {
    return fs.readFileSync(file, 'utf8')
  } catch {
    return null
  }
}

type Orders = Record<string, (order: never) => unknown>

/** In a child process: does what the parent asks for by name, one order at a time; `stop` is the last. */
export function answerOrders(orders: Orders): void {
  process.on('message', async ({ name, order }: { name: string; order: never }) => {
    try {
      process.send?.({ result: await orders[name]?.(order) })
    } catch (error) {
      process.send?.({ error: error instanceof Error ? error.message : String(error) })
    }
    if (name === 'stop') process.disconnect()
  })
}

/** Has a child process do one thing, and gives what came of it. @throws Error with what the child says of a failure */
export async function order<Result = void>(
  child: ChildProcess,
  name: string,
  what: object = {},
): Promise<Result> {
  child.send({ name, order: what })
  const over = new AbortController()
  const answer = once(child, 'message', { signal: over.signal })
  const exit = once(child, 'exit', { signal: over.signal }).then(() => [{ error: 'the process ended' }])
  const [{ result, error }] = await Promise.race([answer, exit])
  over.abort()
  if (error !== undefined) throw new Error(`${name}: ${error}`)
  return result
}
