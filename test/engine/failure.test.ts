import { describe, expect, it } from 'vitest'
import { DeliveryError } from '../../src/destinations/driver.ts'
import { type FailedAttempt, failureOf, nextAttempt } from '../../src/engine/failure.ts'

const HOUR = 3_600_000
const unavailable = new DeliveryError('UNAVAILABLE', 'down', { retryable: true })
const throttled = (retryAfterMs?: number) =>
  new DeliveryError('THROTTLED', 'slow down', { retryable: true, ...(retryAfterMs && { retryAfterMs }) })
const next = (changes: Partial<FailedAttempt>, random = 1) =>
  nextAttempt({ error: unavailable, attempt: 1, gotFurther: false, runningMs: 0, ...changes }, () => random)

describe('after a failed attempt', () => {
  it('waits twice as long each time, at different moments, and gives up after five', () => {
    const waits = [1, 2, 3, 4, 5].map((attempt) => next({ attempt })?.waitMs)
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, undefined])
    expect(next({ attempt: 4 }, 0)?.waitMs).toBe(4_000)
  })

  it('does not try again what is final', () => {
    const refused = new DeliveryError('REFUSED_LOGIN', 'no', { retryable: false })
    expect(next({ error: refused })).toBeNull()
  })

  it('waits as long as it is asked to, whatever it would have', () => {
    const busy = new DeliveryError('UNAVAILABLE', 'busy', { retryable: true, retryAfterMs: 90_000 })
    expect(next({ error: busy })).toEqual({ attempt: 1, waitMs: 90_000 })
    expect(next({ error: throttled(30_000) }, 0)).toEqual({ attempt: 0, waitMs: 30_000 })
  })

  it('counts no attempt for being asked to wait, for a day', () => {
    for (const attempt of [1, 5, 50]) {
      expect(next({ error: throttled(), attempt, runningMs: 23 * HOUR })?.attempt).toBe(attempt - 1)
    }
    expect(next({ error: throttled(), runningMs: 25 * HOUR })).toBeNull()
    expect(next({ error: throttled(), runningMs: 25 * HOUR, gotFurther: true })).not.toBeNull()
    expect(next({ error: throttled(25 * HOUR) })).toBeNull()
  })

  it('begins to count anew when the run got further', () => {
    expect(next({ attempt: 5, gotFurther: true })).toEqual({ attempt: 1, waitMs: 1_000 })
  })

  it('ends, though every attempt writes all parts, when every name is taken', () => {
    const taken = new DeliveryError('NAME_TAKEN', 'it exists', { retryable: true })
    expect(next({ error: taken, attempt: 4, gotFurther: true })).toEqual({ attempt: 4, waitMs: 0 })
    expect(next({ error: taken, attempt: 5, gotFurther: true })).toBeNull()
  })

  it('tells the words of the destination in one line', () => {
    const error = new DeliveryError('UNAVAILABLE', `no\r\n\tway ${'x'.repeat(5_000)}`, { retryable: true })
    const { message } = failureOf(error)
    expect(message).toMatch(/^no way x+$/)
    expect(message).toHaveLength(1_000)
    expect(failureOf(new Error('a bug with details')).message).not.toContain('details')
  })
})
