// The slots of a schedule: the moments at which it is due, numbered from 0. All days and hours are UTC.
import type { Frequency, Schedule } from './model.ts'

/** A run that is made later than this after its slot is late: nothing ran at that time. */
export const LATE_AFTER_MS = 5 * 60 * 1000

/** The latest of some slots, and how many came before it. */
export interface DueSlot {
  dueAt: Date
  missed: number
}

const HOUR_MS = 60 * 60 * 1000
/** Hours from one slot to the next, for the frequencies that have a fixed step. */
const STEP_HOURS: Partial<Record<Frequency, number>> = {
  EVERY_3_HOURS: 3,
  EVERY_6_HOURS: 6,
  EVERY_8_HOURS: 8,
  EVERY_12_HOURS: 12,
  DAILY: 24,
  WEEKLY: 7 * 24,
}

/** Whether today is a day of the schedule: from the start date on, and before the end date if there is one. */
export function isInsideSchedule(schedule: Schedule, now: Date): boolean {
  const today = now.toISOString().slice(0, 10) // four-digit years compare as text
  return schedule.startDate <= today && (schedule.endDate === null || today < schedule.endDate)
}

/** The first slot after a moment; null when there is none any more, or the schedule follows the evaluation of segments. */
export function nextSlot(schedule: Schedule, after: Date): Date | null {
  const slots = slotsOf(schedule)
  const moment = slots?.at(slots.countUpTo(after.getTime())) ?? null
  return moment === null ? null : new Date(moment)
}

/** The latest slot in (after, upTo]; null when there is none. What follows the evaluation of segments has no slots. */
export function latestSlot(schedule: Schedule, after: Date, upTo: Date): DueSlot | null {
  const slots = slotsOf(schedule)
  if (!slots) return null
  const reached = slots.countUpTo(upTo.getTime())
  const count = reached - slots.countUpTo(after.getTime())
  const moment = count > 0 ? slots.at(reached - 1) : null
  return moment === null ? null : { dueAt: new Date(moment), missed: count - 1 }
}

/**
 * The slot that an evaluation of a mapping's segment makes, where the schedule follows that: ONCE, or the first of a
 * day. Null for one that makes none. `before`: the mapping's slot before.
 */
export function slotOfEvaluation(
  { schedule, activatedAt }: { schedule: Schedule; activatedAt: Date },
  evaluatedAt: Date,
  before: Date | null,
): DueSlot | null {
  if (!isInsideSchedule(schedule, evaluatedAt)) return null
  const start = new Date(`${schedule.startDate}T00:00:00.000Z`)
  const begins = start > activatedAt ? start : activatedAt
  const isDone =
    before !== null &&
    (schedule.frequency === 'ONCE' ? before >= begins : dayOf(before) === dayOf(evaluatedAt))
  return isDone ? null : { dueAt: evaluatedAt, missed: 0 }
}

const dayOf = (moment: Date): string => moment.toISOString().slice(0, 10)

interface Slots {
  /** Null before the first and after the last. */
  at(index: number): number | null
  /** How many slots there are up to a moment, inclusive: the index of the first one after it. */
  countUpTo(moment: number): number
}

function slotsOf({ trigger, frequency, startDate, startTime, endDate }: Schedule): Slots | null {
  if (trigger === 'AFTER_SEGMENT_EVALUATION') return null
  const first = Date.parse(`${startDate}T${startTime ?? '00:00'}:00.000Z`)
  const end = endDate === null ? Number.POSITIVE_INFINITY : Date.parse(`${endDate}T00:00:00.000Z`)
  const { at, count } = frequency === 'MONTHLY' ? monthly(first) : stepped(first, frequency)
  return {
    at(index) {
      const moment = index < 0 || (frequency === 'ONCE' && index > 0) ? end : at(index)
      return moment < end ? moment : null
    },
    countUpTo(moment) {
      const until = Math.min(moment, end - 1)
      if (until < first) return 0
      return frequency === 'ONCE' ? 1 : count(until)
    },
  }
}

interface Series {
  at(index: number): number
  /** Slots up to a moment that is not before the first one. */
  count(until: number): number
}

function stepped(first: number, frequency: Frequency): Series {
  const step = (STEP_HOURS[frequency] ?? 24) * HOUR_MS
  return {
    at: (index) => first + index * step,
    count: (until) => Math.floor((until - first) / step) + 1,
  }
}

/** A month without the day of the start date has its slot on its last day. */
function monthly(first: number): Series {
  const start = new Date(first)
  const at = (index: number): number => {
    const [year, month] = [start.getUTCFullYear(), start.getUTCMonth() + index]
    const lastDay = new Date(Date.UTC(year, month + 1, 0)).getUTCDate()
    return Date.UTC(year, month, Math.min(start.getUTCDate(), lastDay), start.getUTCHours())
  }
  return {
    at,
    count(until) {
      const day = new Date(until)
      const years = day.getUTCFullYear() - start.getUTCFullYear()
      const months = years * 12 + day.getUTCMonth() - start.getUTCMonth()
      return at(months) <= until ? months + 1 : months
    },
  }
}
