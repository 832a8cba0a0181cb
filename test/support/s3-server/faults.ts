// What goes wrong on purpose: each fault takes the next requests of an operation, then is used up.
import { S3Refusal } from './refusal.ts'

export type Fault =
  /** Refuses, instead of doing it. */
  | { status: number; code: string; headers?: Record<string, string> }
  /** Cuts the connection after so many bytes of the body. */
  | { cutAfter: number }
  /** Does it, and cuts the connection instead of answering. */
  | { loseAnswer: true }
  /** Lets something else happen first. */
  | { first: () => unknown }

export interface Faults {
  /** The next `times` requests of the operation, e.g. UploadPart, go wrong. */
  add(operation: string, fault: Fault, times?: number): void
  clear(): void
  next(operation: string): Fault | null
}

export function faultList(): Faults {
  let planned: { operation: string; fault: Fault; left: number }[] = []
  return {
    add(operation, fault, times = 1) {
      planned.push({ operation, fault, left: times })
    },
    clear() {
      planned = []
    },
    next(operation) {
      const found = planned.find((entry) => entry.operation === operation && entry.left > 0)
      if (!found) return null
      found.left -= 1
      return found.fault
    },
  }
}

export function refuseIfPlanned(fault: Fault | null): void {
  if (fault && 'status' in fault) {
    throw new S3Refusal(fault.status, fault.code, `This is a planned ${fault.code}.`, fault.headers)
  }
}
