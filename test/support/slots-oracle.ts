// The slots of a schedule by the words of its description, hour by hour: slow, and hard to get wrong.
import type { Frequency, Schedule } from '../../src/domain/model.ts'

const HOUR = 3_600_000

export const FREQUENCIES: Frequency[] = [
  'ONCE',
  'EVERY_3_HOURS',
  'EVERY_6_HOURS',
  'EVERY_8_HOURS',
  'EVERY_12_HOURS',
  'DAILY',
  'WEEKLY',
  'MONTHLY',
]

/** `at` is a full hour. */
export function isSlot(schedule: Schedule, at: Date): boolean {
  const first = new Date(`${schedule.startDate}T${schedule.startTime}:00.000Z`)
  const today = at.toISOString().slice(0, 10)
  if (at < first || (schedule.endDate !== null && today >= schedule.endDate)) return false
  const isHour = at.getUTCHours() === first.getUTCHours()
  const every = /^EVERY_(\d+)_HOURS$/.exec(schedule.frequency)?.[1]
  if (every) return (at.getUTCHours() - first.getUTCHours() + 24) % Number(every) === 0
  switch (schedule.frequency) {
    case 'ONCE':
      return at.getTime() === first.getTime()
    case 'DAILY':
      return isHour
    case 'WEEKLY':
      return isHour && at.getUTCDay() === first.getUTCDay()
    default: {
      const isLastDay = new Date(at.getTime() + 24 * HOUR).getUTCDate() === 1
      const [day, wanted] = [at.getUTCDate(), first.getUTCDate()]
      return isHour && (day === wanted || (isLastDay && day < wanted))
    }
  }
}

/** Those in (after, upTo]. */
export function slotsIn(schedule: Schedule, after: Date, upTo: Date): Date[] {
  const slots: Date[] = []
  const firstHour = (Math.floor(after.getTime() / HOUR) + 1) * HOUR
  for (let at = firstHour; at <= upTo.getTime(); at += HOUR) {
    if (isSlot(schedule, new Date(at))) slots.push(new Date(at))
  }
  return slots
}
