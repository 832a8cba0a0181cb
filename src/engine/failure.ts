// What a failed attempt means for its run: whether it is tried again, when, and what people read of it.
import { DeliveryError } from '../destinations/driver.ts'
import { outageIn } from '../domain/errors.ts'
import type { RunFailure } from '../domain/model.ts'
import { oneLine } from '../domain/text.ts'

const MAX_ATTEMPTS = 5
const MAX_BACKOFF_MS = 60_000
/** A destination that says no more than "too often". */
const THROTTLED_MS = 60_000
/** How long a destination may put a run off that gets nowhere. */
const MAX_THROTTLED_MS = 24 * 3_600_000

export interface FailedAttempt {
  error: unknown
  /** Of the attempt that failed, the first is 1. */
  attempt: number
  /** Whether the run got further in it. */
  gotFurther: boolean
  /** Since the run's first attempt began. */
  runningMs: number
}
export interface NextAttempt {
  /** How many attempts count as made. */
  attempt: number
  waitMs: number
}

/** Null: the run has failed. What the destination asks for wins; being asked to wait costs no attempt. */
export function nextAttempt(failed: FailedAttempt, random: () => number = Math.random): NextAttempt | null {
  const { error, gotFurther, runningMs } = failed
  if (!failureOf(error).retryable) return null
  const { code, retryAfterMs } = error instanceof DeliveryError ? error : { code: null, retryAfterMs: null }
  const attempt = gotFurther && code !== 'NAME_TAKEN' ? 1 : failed.attempt
  if (code === 'THROTTLED') {
    const waitMs = (retryAfterMs ?? THROTTLED_MS) * (1 + random() / 10)
    const isTooLong = waitMs > MAX_THROTTLED_MS || (!gotFurther && runningMs > MAX_THROTTLED_MS)
    return isTooLong ? null : { attempt: attempt - 1, waitMs }
  }
  if (attempt >= MAX_ATTEMPTS || (retryAfterMs ?? 0) > MAX_THROTTLED_MS) return null
  // A name that was taken in between: another one is chosen at once.
  return { attempt, waitMs: code === 'NAME_TAKEN' ? 0 : (retryAfterMs ?? backoffMs(attempt, random)) }
}

/** Doubles from one second on, with jitter, so that many runs of one dead destination do not come back together. */
function backoffMs(attempt: number, random: () => number): number {
  return Math.min(MAX_BACKOFF_MS, 1000 * 2 ** (attempt - 1)) * (0.5 + random() / 2)
}

/** In words for people, the destination's own where it had any. */
export function failureOf(error: unknown): RunFailure {
  if (error instanceof DeliveryError) {
    const { code, message, retryable } = error
    return { code, message: oneLine(message), retryable }
  }
  const outage = outageIn(error)
  if (outage) return { code: outage.code, message: outage.message, retryable: true }
  return {
    code: 'INTERNAL',
    message:
      'The export stopped for an unexpected reason; the log of the gateway has it under the id of the run.',
    retryable: true,
  }
}
