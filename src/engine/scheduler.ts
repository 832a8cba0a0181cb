// Makes the runs of schedules when their slots come. What is due is reckoned from the schedule and the clock every time,
// and what was done about it is in the database alone: a scheduler may end, be repeated or be one of many at any moment.
import { setImmediate } from 'node:timers/promises'
import type { Clock, Logger, SchedulerStanding } from '../domain/ports.ts'
import { type DueSlot, latestSlot, slotOfEvaluation } from '../domain/slots.ts'
import { type Database, StaleWrite } from '../storage/database.ts'
import { type ScheduledMapping, scheduleStore } from '../storage/schedule.ts'
import type { SegmentationSchedule } from './segmentation-schedule.ts'

const HOUR_MS = 60 * 60 * 1000
/** Slots are full hours, and the loop wakes at each: this is for segmentation, what had to wait, and what was not heard of. */
const POLL_MS = 10_000
/** A scheduler that has been silent for so long is stuck. */
const MAX_SILENCE_MS = 60_000
const MAPPINGS_A_PAGE = 500

export interface SchedulerOptions {
  database: Database
  clock: Clock
  log: Logger
  /** Makes the run of a slot; WAITS: it is to be asked for again later. */
  make(mapping: ScheduledMapping, slot: DueSlot): Promise<'MADE' | 'WAITS' | 'TAKEN'>
  /** Looked after by the same loop. */
  segmentation?: SegmentationSchedule
}
export type Scheduler = ReturnType<typeof scheduler>

export function scheduler({ database, clock, log, make, segmentation }: SchedulerOptions) {
  const store = scheduleStore(database)
  const stopping = new AbortController()
  let loop: Promise<void> = Promise.resolve()
  let startedAt: Date | null = null
  let beat: { at: Date; oldest: Date | null } | null = null

  /** Whether the mapping has nothing left to be done now. */
  const settle = async (mapping: ScheduledMapping, slot: DueSlot): Promise<boolean> => {
    try {
      return (await make(mapping, slot)) !== 'WAITS'
    } catch (error) {
      log.error({ mappingId: mapping.id, dueAt: slot.dueAt, error }, 'a slot could not be run; trying again')
      return false
    }
  }
  const moveOn = async (mapping: ScheduledMapping, upTo: Date) => {
    try {
      await database.batch([store.moveOn(mapping, upTo)])
    } catch (error) {
      if (!(error instanceof StaleWrite)) throw error // somebody was faster
    }
  }
  const dueSlot = async (mapping: ScheduledMapping, now: Date): Promise<DueSlot | null> => {
    const { schedule, slotsUntil, evaluatedAt } = mapping
    if (slotsUntil === null) {
      await moveOn(mapping, now) // older than the scheduler: what was before counts as dealt with
      return null
    }
    if (schedule.trigger === 'SCHEDULED') return latestSlot(schedule, slotsUntil, now)
    if (evaluatedAt === null || evaluatedAt <= slotsUntil) return null
    const before = await store.lastDue(mapping.id)
    const slot = slotOfEvaluation(mapping, evaluatedAt, before)
    if (!slot) await moveOn(mapping, evaluatedAt)
    return slot
  }
  /** One look at all schedules. */
  const tick = async (): Promise<void> => {
    const now = clock()
    let oldest: Date | null = null
    for (let after = ''; !stopping.signal.aborted; await setImmediate()) {
      const page = await store.page(after, MAPPINGS_A_PAGE)
      for (const mapping of page) {
        if (stopping.signal.aborted) return
        const slot = await dueSlot(mapping, now)
        beat = { at: clock(), oldest: beat?.oldest ?? null } // one look may take minutes when very many are due
        if (!slot || (await settle(mapping, slot))) continue
        if (oldest === null || slot.dueAt < oldest) oldest = slot.dueAt
      }
      const last = page.at(-1)
      if (!last || page.length < MAPPINGS_A_PAGE) break
      after = last.id
    }
    beat = { at: now, oldest }
  }
  const work = async () => {
    while (!stopping.signal.aborted) {
      await segmentation?.tick(clock()).catch((error: unknown) => {
        log.error({ error }, 'segmentation could not be queued; trying again')
      })
      await tick().catch((error: unknown) => {
        log.error({ error }, 'the schedules could not be read; trying again')
      })
      const untilHour = HOUR_MS - (clock().getTime() % HOUR_MS)
      // The end of an evaluation is told there.
      await database.wake.wait('jobs', Math.min(POLL_MS, untilHour), stopping.signal)
    }
  }

  return {
    tick,
    standing(): SchedulerStanding {
      const now = clock().getTime()
      const heardAt = beat?.at ?? startedAt
      if (!heardAt) return { heartbeatAt: null, lagMs: 0, isAlive: false }
      const waitsSince = beat?.oldest?.getTime() ?? heardAt.getTime() + POLL_MS
      return {
        heartbeatAt: beat?.at ?? null,
        lagMs: Math.max(0, now - waitsSince),
        isAlive: now - heardAt.getTime() < MAX_SILENCE_MS,
      }
    },
    start(): void {
      startedAt = clock()
      loop = work()
    },
    async stop(): Promise<void> {
      stopping.abort()
      await loop
    },
  }
}
