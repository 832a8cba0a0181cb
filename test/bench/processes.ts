// What the system tells of a process, on Linux; NaN elsewhere.
import fs from 'node:fs'

const TICKS_PER_SECOND = 100

/** Processor time that a process has taken so far, all of its threads. */
export function cpuSeconds(pid: number | undefined): number {
  // After the name in brackets, which may hold anything: fields 14 and 15 are user and system time.
  const fields = read(`/proc/${pid}/stat`)?.split(') ').at(-1)?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** Resident memory in bytes. */
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
