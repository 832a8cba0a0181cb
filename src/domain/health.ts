// Whether what is scheduled has been sent: reckoned from the schedules and the clock, not from what was last written.
// A scheduler that has stopped writes nothing, and this is how it shows.
import type { DataflowState, DestinationStatus, RunStatus, Schedule } from './model.ts'
import { latestSlot } from './slots.ts'

export type Health = 'HEALTHY' | 'LATE' | 'FAILING' | 'PAUSED'

/** A slot may wait for so long, for its scheduler or for a worker, before it is late. */
export const GRACE_MS = 15 * 60 * 1000
/** How long a slot that was missed is counted. */
export const MISSED_FOR_MS = 30 * 24 * 60 * 60 * 1000
const DAY_MS = 24 * 60 * 60 * 1000

export interface MappingStanding {
  schedule: Schedule
  /** Every slot up to here has been dealt with; null in rows older than the scheduler. */
  slotsUntil: Date | null
  activatedAt: Date
  /** Of the mapping's newest slot that was dealt with; null: there was none. */
  run: { status: RunStatus; dueAt: Date | null; isLate: boolean } | null
}
export interface DataflowStanding {
  state: DataflowState
  destinationStatus: DestinationStatus
  /** The active ones. */
  mappings: readonly MappingStanding[]
}

/** PAUSED, or the worst that is true of any mapping. */
export function healthOf({ mappings, ...place }: DataflowStanding, now: Date): Health {
  if (isPaused(place)) return 'PAUSED'
  const healths = mappings.map((mapping) => mappingHealth(mapping, now))
  return (
    healths.find((health) => health === 'FAILING') ?? healths.find((health) => health === 'LATE') ?? 'HEALTHY'
  )
}

/** Over all mappings; nothing is overdue of what is paused. */
export function overdueSlotsOf({ mappings, ...place }: DataflowStanding, now: Date): number {
  if (isPaused(place)) return 0
  return mappings.reduce((sum, mapping) => sum + overdueSlots(mapping, now), 0)
}

const isPaused = ({ state, destinationStatus }: Omit<DataflowStanding, 'mappings'>): boolean =>
  state !== 'ENABLED' || destinationStatus !== 'ENABLED'

/** How many slots have passed, by more than the grace, without a run. */
function overdueSlots(mapping: MappingStanding, now: Date): number {
  const { schedule, slotsUntil, activatedAt, run } = mapping
  const until = new Date(now.getTime() - GRACE_MS)
  const since = slotsUntil ?? activatedAt
  if (schedule.trigger === 'SCHEDULED') return countSlots(schedule, since, until)
  // The evaluation of a day comes at some time of it: it is missed when the day is over.
  const ends: Schedule = {
    ...schedule,
    trigger: 'SCHEDULED',
    startTime: '00:00',
    startDate: dayAfter(schedule.startDate),
    endDate: schedule.endDate === null ? null : dayAfter(schedule.endDate),
  }
  const isDone = schedule.frequency === 'ONCE' && run !== null
  return isDone ? 0 : countSlots(ends, new Date(since.getTime() + DAY_MS), until)
}

function mappingHealth(mapping: MappingStanding, now: Date): Health {
  if (overdueSlots(mapping, now) > 0) return 'LATE'
  const { run } = mapping
  if (run === null) return 'HEALTHY'
  if (run.status === 'FAILED') return 'FAILING'
  const isOver = run.status === 'SUCCESS' || run.status === 'CANCELLED'
  if (isOver) return 'HEALTHY'
  const waits = run.status === 'QUEUED' && now.getTime() - (run.dueAt ?? now).getTime() > GRACE_MS
  return run.isLate || waits ? 'LATE' : 'HEALTHY'
}

function countSlots(schedule: Schedule, after: Date, upTo: Date): number {
  const slot = latestSlot(schedule, after, upTo)
  return slot ? slot.missed + 1 : 0
}

const dayAfter = (day: string): string =>
  new Date(Date.parse(`${day}T00:00:00.000Z`) + DAY_MS).toISOString().slice(0, 10)
