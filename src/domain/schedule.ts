// When a mapped segment is exported. All days and hours are UTC.
import { invalid, type UserError } from './errors.ts'
import type { ExportMode, Frequency, Schedule, ScheduleTrigger } from './model.ts'
import { nextSlot } from './slots.ts'
import { isDate } from './value-type.ts'

export interface ScheduleInput {
  frequency: Frequency
  trigger?: ScheduleTrigger | null | undefined
  /** YYYY-MM-DD, inclusive. */
  startDate: string
  /** YYYY-MM-DD, exclusive. */
  endDate?: string | null | undefined
  /** HH:00; "00:00" when absent. */
  startTime?: string | null | undefined
}

const TIME = /^([01]\d|2[0-3]):00$/

/**
 * The schedule to store, or every rule it breaks.
 * `path` leads to the schedule, e.g. ["input", "segments", "1", "schedule"].
 */
export function checkSchedule(
  input: ScheduleInput,
  exportMode: ExportMode,
  path: string[],
): { schedule: Schedule } | { errors: UserError[] } {
  const trigger = input.trigger ?? 'SCHEDULED'
  const errors = [
    ...checkFrequency({ ...input, trigger, exportMode, path }),
    ...checkDates(input, exportMode, path),
    ...checkTime(input, trigger, path),
  ]
  if (errors.length > 0) return { errors }
  const startTime = trigger === 'SCHEDULED' ? (input.startTime ?? '00:00') : null
  const { frequency, startDate, endDate = null } = input
  return { schedule: { frequency, trigger, startDate, endDate, startTime } }
}

/**
 * The earliest moment after `now` at which one of the schedules is due; null when none is due any more. What follows
 * the evaluation of segments is due at no moment that is known beforehand.
 */
export function nextDue(schedules: readonly Schedule[], now: Date): Date | null {
  const moments = schedules.flatMap((schedule) => nextSlot(schedule, now)?.getTime() ?? [])
  return moments.length === 0 ? null : new Date(Math.min(...moments))
}

function checkFrequency(options: {
  frequency: Frequency
  trigger: ScheduleTrigger
  exportMode: ExportMode
  path: string[]
}): UserError[] {
  const { frequency, trigger, exportMode, path } = options
  const isFull = exportMode === 'DAILY_FULL_EXPORT'
  const refuse = (field: string, message: string) => [invalid([...path, field], message)]
  const errors: UserError[] = []
  if (frequency.startsWith('EVERY_') && isFull) {
    errors.push(...refuse('frequency', `${frequency} needs the export mode FIRST_FULL_THEN_INCREMENTAL.`))
  }
  if ((frequency === 'ONCE' || frequency === 'WEEKLY' || frequency === 'MONTHLY') && !isFull) {
    errors.push(...refuse('frequency', `${frequency} needs the export mode DAILY_FULL_EXPORT.`))
  }
  const mayFollowEvaluation = isFull && (frequency === 'ONCE' || frequency === 'DAILY')
  if (trigger === 'AFTER_SEGMENT_EVALUATION' && !mayFollowEvaluation) {
    errors.push(
      ...refuse(
        'trigger',
        'AFTER_SEGMENT_EVALUATION needs the export mode DAILY_FULL_EXPORT and the frequency ONCE or DAILY.',
      ),
    )
  }
  return errors
}

function checkDates(input: ScheduleInput, exportMode: ExportMode, path: string[]): UserError[] {
  const { startDate, endDate, frequency } = input
  const errors: UserError[] = []
  const refuse = (field: string, message: string) => errors.push(invalid([...path, field], message))
  const isDateRule = 'must be a day that exists, as YYYY-MM-DD, in the years 1970 to 9999.'
  const startsOnDay = isDay(startDate)
  if (!startsOnDay) refuse('startDate', `The start date ${isDateRule}`)
  if (endDate == null) return errors
  if (frequency === 'ONCE' && exportMode === 'DAILY_FULL_EXPORT') {
    refuse('endDate', 'A full export that runs ONCE takes no end date.')
  } else if (!isDay(endDate)) {
    refuse('endDate', `The end date ${isDateRule}`)
  } else if (startsOnDay && endDate <= startDate) {
    refuse('endDate', 'The end date is exclusive and must be after the start date.')
  }
  return errors
}

function checkTime(input: ScheduleInput, trigger: ScheduleTrigger, path: string[]): UserError[] {
  if (input.startTime == null) return []
  const at = [...path, 'startTime']
  if (trigger === 'AFTER_SEGMENT_EVALUATION') {
    return [
      invalid(at, 'AFTER_SEGMENT_EVALUATION takes no start time: the export follows the day’s segmentation.'),
    ]
  }
  if (TIME.test(input.startTime)) return []
  return [invalid(at, 'The start time must be a full hour in UTC, from 00:00 to 23:00.')]
}

/** A day that exists, as YYYY-MM-DD, in the years 1970 to 9999. */
export function isDay(text: string): boolean {
  return text.length === 'YYYY-MM-DD'.length && text >= '1970' && isDate(text)
}
