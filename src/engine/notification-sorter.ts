// Turns what happened to runs into messages for those who want to know, once for all processes: the messages are written
// in the step that takes the news away.
import {
  DELAY_MS,
  NOTHING_TOLD,
  type NoticeType,
  type RunNews,
  type ToldState,
  tell,
} from '../domain/notification.ts'
import type { Clock } from '../domain/ports.ts'
import { estimateOf, percentOf, rateOf, runStateOf } from '../domain/progress.ts'
import { type Database, StaleWrite } from '../storage/database.ts'
import { encodeLogCursor } from '../storage/log-cursor.ts'
import { type Happening, notificationQueue, type Telling } from '../storage/notification-queue.ts'
import type { Row } from '../storage/tables.ts'

const NEWS_AT_ONCE = 50
const OVERDUE_AT_ONCE = 500
/** A target that does not take messages loses what comes beyond this. */
export const MAX_WAITING = 1_000

export function notificationSorter({ database, clock }: { database: Database; clock: Clock }) {
  const queue = notificationQueue(database)

  return {
    /** Deals with the oldest news. Resolves with whether there may be more. */
    async sort(): Promise<boolean> {
      const news = await queue.news(NEWS_AT_ONCE)
      if (news.length === 0) return false
      const happened = news.flatMap(({ event, run }) => (event && run ? [{ event, run }] : []))
      const keys = news.map(({ key }) => key)
      await unlessStale(database, async () => queue.tell(keys, await tellingsOf(happened, null)))
      return news.length === NEWS_AT_ONCE
    },

    /** Looks for slots that are dealt with too late. */
    async lookForDelays(): Promise<void> {
      const before = new Date(clock().getTime() - DELAY_MS)
      const overdue = await queue.overdue(before, OVERDUE_AT_ONCE)
      if (overdue.length === 0) return
      await unlessStale(database, async () => queue.tell([], await tellingsOf(overdue, 'OVERDUE')))
    },
  }

  async function tellingsOf(happened: readonly Happening[], as: 'OVERDUE' | null): Promise<Telling[]> {
    if (happened.length === 0) return []
    const targets = await queue.targetsOf([...new Set(happened.map(({ run }) => run.sandboxId))])
    const dataflowIds = [...new Set(happened.map(({ run }) => run.dataflowId))]
    const ids = targets.map(({ id }) => id)
    const known = targets.length > 0 ? await queue.statesOf(ids, dataflowIds) : []
    const listed = known.flatMap(({ state }) => [...state.failing, ...state.delayed, ...state.skipping])
    const mapped = await queue.activeAmong([...new Set(listed)])
    const news: { happening: Happening; news: RunNews }[] = []
    for (const happening of happened) {
      const isAsked =
        happening.event.type === 'STARTED' && targets.some(({ events }) => events.includes('START'))
      const isFirst = isAsked && (await queue.wasFirst(happening.run))
      news.push({ happening, news: newsOf(happening, { as, isFirst }) })
    }
    const at = clock()
    return targets.flatMap((target) => {
      const told = tellingOf(target, { known, news, isMapped: (id) => mapped.has(id), at })
      return told.states.length + told.bodies.length + told.dropped > 0 ? [told] : []
    })
  }
}

interface Facts {
  known: readonly Row<'notificationStates'>[]
  news: readonly { happening: Happening; news: RunNews }[]
  isMapped(mappingId: string): boolean
  at: Date
}

function tellingOf(target: Row<'notificationTargets'>, { known, news, isMapped, at }: Facts): Telling {
  const states = new Map<string, { state: ToldState; readVersion: number | null; isNew: boolean }>()
  for (const { targetId, dataflowId, state, version } of known) {
    if (targetId === target.id) states.set(dataflowId, { state, readVersion: version, isNew: false })
  }
  const bodies: string[] = []
  let dropped = 0
  const room = MAX_WAITING - (target.queuedSeq - target.sentSeq)
  const seen = new Set<string>()
  for (const { happening, news: what } of news) {
    const { run } = happening
    if (run.sandboxId !== target.sandboxId) continue
    if (target.dataflowIds.length > 0 && !target.dataflowIds.includes(run.dataflowId)) continue
    const now = states.get(run.dataflowId) ?? { state: NOTHING_TOLD, readVersion: null, isNew: false }
    // What this page marked is mapped, though it was not asked for.
    const isStill = (id: string) => seen.has(id) || isMapped(id)
    const { after, notices } = tell(now.state, what, { events: target.events, isMapped: isStill })
    seen.add(run.mappingId)
    // Without room the target knows no more than before: a state that lasts is told later.
    if (bodies.length + notices.length > room) {
      dropped += notices.length
      continue
    }
    bodies.push(...notices.map((type) => bodyOf(type, happening)))
    if (!isSame(now.state, after)) states.set(run.dataflowId, { ...now, state: after, isNew: true })
  }
  const changed = [...states].flatMap(([dataflowId, { state, readVersion, isNew }]) =>
    isNew ? [{ dataflowId, state, readVersion }] : [],
  )
  return { target, states: changed, bodies, dropped, at }
}

const isSame = (a: ToldState, b: ToldState) =>
  JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort())

function newsOf(
  { event, run }: Happening,
  { as, isFirst }: { as: 'OVERDUE' | null; isFirst: boolean },
): RunNews {
  const { received, excluded, failed } = event
  return {
    mappingId: run.mappingId,
    type: as ?? (event.type as RunNews['type']), // the log's news have no other
    isScheduled: run.trigger === 'SCHEDULED',
    isLate: run.isLate,
    isFirst,
    received,
    excluded,
    failed,
  }
}

/** The event as `runEvents` of the API tells it, with what people call things. */
function bodyOf(type: NoticeType, { event, run }: Happening): string {
  const { runId, seq, status, phase, message, at } = event
  const { total, received, exported, excluded, failed, bytes, files } = event
  const { id, trigger, mode, plan, createdAt, startedAt } = run
  const facts = { ...event, startedAt, state: runStateOf(status) }
  const progress = {
    total,
    received,
    exported,
    excluded,
    failed,
    bytes,
    files,
    percent: percentOf(facts),
    rowsPerSecond: rateOf(facts),
    estimatedCompletionAt: estimateOf(facts),
  }
  const { dataflow, destination, segment } = plan
  const names = {
    dataflow: {
      id: dataflow.id,
      name: dataflow.name,
      destination: { id: destination.id, name: destination.name },
    },
    segment: { id: segment.id, name: segment.name },
  }
  const data = {
    cursor: encodeLogCursor(runId, seq),
    run: { id, trigger, mode, createdAt, ...names },
    type: event.type,
    status,
    phase,
    progress,
    message,
    at,
  }
  return JSON.stringify({ type, timestamp: at, data })
}

/** Where another process was faster, the next look shows what is left. */
async function unlessStale(database: Database, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof StaleWrite) && database.violatedTable(error) === null) throw error
  }
}
