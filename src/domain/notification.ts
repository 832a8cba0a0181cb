// When somebody is told of a dataflow: at a change of its state, not at every run.
//
// A dataflow is failing while the last run of any of its segments has failed, delayed while a slot of any waits to be
// dealt with, and skips while the last run of any has left out or failed more than 1 % of its profiles.

export const NOTIFICATION_EVENTS = ['START', 'SUCCESS', 'FAILURE', 'DELAY', 'SKIPPED_RATE'] as const
export type NotificationEvent = (typeof NOTIFICATION_EVENTS)[number]

/** What is told. Those that end what another began go to the same targets. */
export type NoticeType =
  | 'dataflow.started'
  | 'dataflow.succeeded'
  | 'dataflow.failed'
  | 'dataflow.delayed'
  | 'dataflow.delay_ended'
  | 'dataflow.skipped_rate_exceeded'
  | 'dataflow.skipped_rate_normal'

/** What a target knows of a dataflow: of its mappings those that fail, are delayed, skip too much. */
export interface ToldState {
  /** Whether it was told, or need not have been, that the dataflow succeeds or fails. */
  isKnown: boolean
  failing: string[]
  delayed: string[]
  skipping: string[]
}
export const NOTHING_TOLD: ToldState = { isKnown: false, failing: [], delayed: [], skipping: [] }

/** What happened to a run of a mapping, as far as it matters here. */
export interface RunNews {
  mappingId: string
  type: 'QUEUED' | 'STARTED' | 'SUCCEEDED' | 'FAILED' | 'CANCELLED' | 'OVERDUE'
  /** It is for a slot of the schedule. */
  isScheduled: boolean
  /** Made after its slot had passed. */
  isLate: boolean
  /** No other run of the dataflow was under way. */
  isFirst: boolean
  received: number
  excluded: number
  failed: number
}

/** More of the profiles received than this are left out or fail. */
const MAX_SKIPPED = 0.01
/** A run that has not ended so long after its slot is a delay. */
export const DELAY_MS = 150 * 60_000

/** What of it is told to a target that knows `before`, and what it knows then. `isMapped`: still of the dataflow. */
export function tell(
  before: ToldState,
  news: RunNews,
  { events, isMapped }: { events: readonly NotificationEvent[]; isMapped(mappingId: string): boolean },
): { after: ToldState; notices: NoticeType[] } {
  const marked = (list: string[], isSo: boolean | null) => {
    if (isSo === null) return list
    const others = list.filter((id) => id !== news.mappingId && isMapped(id))
    return isSo ? [...others, news.mappingId] : others
  }
  const outcome = outcomeOf(news)
  const after: ToldState = {
    isKnown: before.isKnown || outcome !== null,
    failing: marked(before.failing, outcome === null ? null : outcome === 'FAILED'),
    delayed: marked(before.delayed, delayOf(news)),
    skipping: marked(before.skipping, outcome === 'SUCCEEDED' ? isSkipping(news) : null),
  }
  const began = (of: 'failing' | 'delayed' | 'skipping') => before[of].length === 0 && after[of].length > 0
  const ended = (of: 'failing' | 'delayed' | 'skipping') => before[of].length > 0 && after[of].length === 0
  const isFirstSuccess = !before.isKnown && after.isKnown && after.failing.length === 0
  const has = (event: NotificationEvent) => events.includes(event)
  const all: [NoticeType, boolean][] = [
    ['dataflow.started', has('START') && news.type === 'STARTED' && news.isFirst],
    ['dataflow.failed', has('FAILURE') && began('failing')],
    [
      'dataflow.succeeded',
      (has('SUCCESS') && (isFirstSuccess || ended('failing'))) || (has('FAILURE') && ended('failing')),
    ],
    ['dataflow.delayed', has('DELAY') && began('delayed')],
    ['dataflow.delay_ended', has('DELAY') && ended('delayed')],
    ['dataflow.skipped_rate_exceeded', has('SKIPPED_RATE') && began('skipping')],
    ['dataflow.skipped_rate_normal', has('SKIPPED_RATE') && ended('skipping')],
  ]
  return { after, notices: all.flatMap(([type, isTold]) => (isTold ? [type] : [])) }
}

/** A cancelled run says nothing of how the dataflow does. */
function outcomeOf({ type }: RunNews): 'SUCCEEDED' | 'FAILED' | null {
  return type === 'SUCCEEDED' || type === 'FAILED' ? type : null
}

/** Whether it is a delay from now on, is none any more, or (null) is as it was. */
function delayOf({ type, isScheduled, isLate }: RunNews): boolean | null {
  if (type === 'OVERDUE') return true
  if (!isScheduled || type === 'STARTED') return null
  return type === 'QUEUED' ? isLate || null : false
}

function isSkipping({ received, excluded, failed }: RunNews): boolean {
  return received > 0 && (excluded + failed) / received > MAX_SKIPPED
}
