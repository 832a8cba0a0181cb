// Mapping segments into a dataflow: what is loaded, what is refused, and the writes.
import { invalid, notFound, type UserError } from '../domain/errors.ts'
import { checkFilenameTemplate } from '../domain/filename.ts'
import type { ExportMode, Schedule } from '../domain/model.ts'
import { checkSchedule, type ScheduleInput } from '../domain/schedule.ts'
import { checkDescription, checkName, normalizeName } from '../domain/text.ts'
import type { ExpectingQuery, Query } from '../storage/database.ts'
import { segmentMappingStore } from '../storage/segment-mapping.ts'
import type { Row } from '../storage/tables.ts'
import type { ServiceContext } from './context.ts'

/**
 * In a mapping that is active already, what is absent stays as it is, and null means the default:
 * a full export, the gateway's file name, the segment's name, no description.
 */
export interface SegmentMappingInput {
  segmentId: string
  schedule: ScheduleInput
  exportMode?: ExportMode | null | undefined
  filenameTemplate?: string | null | undefined
  elementName?: string | null | undefined
  elementDescription?: string | null | undefined
}
interface Target {
  sandboxId: string
  dataflowId: string
  destinationId: string
}
type Facts = Awaited<ReturnType<typeof loadFacts>>

const MAX_SEGMENTS = 250

/** Too many items to look at each. */
export function checkSegmentCount(count: number, path: string[]): UserError[] {
  if (count <= MAX_SEGMENTS) return []
  const message = `At most ${MAX_SEGMENTS} segments are taken at once.`
  return [{ code: 'LIMIT_EXCEEDED', message, path, limit: MAX_SEGMENTS, requested: count }]
}

/** The writes that map the segments, or everything that is wrong with them below ["input", "segments"]. */
export async function planMappings(
  ctx: ServiceContext,
  target: Target,
  segments: readonly SegmentMappingInput[],
): Promise<{ writes: (Query | ExpectingQuery)[] } | { errors: UserError[] }> {
  const path = ['input', 'segments']
  const tooMany = checkSegmentCount(segments.length, path)
  if (tooMany.length > 0) return { errors: tooMany }
  const facts = await loadFacts(ctx, target, segments)
  const seen = new Set<string>()
  const checked = segments.map((input, index) => {
    const at = [...path, String(index)]
    const isRepeated = seen.has(input.segmentId)
    seen.add(input.segmentId)
    const repeated = invalid([...at, 'segmentId'], 'The segment is named before in this list. Name it once.')
    return checkMapping({ input, facts, path: at, errors: isRepeated ? [repeated] : [] })
  })
  const errors = checked.flatMap((result) => result.errors)
  const added = [...seen].filter((id) => facts.mappings.get(id)?.elementStatus !== 'ACTIVE').length
  errors.push(...checkRoom(ctx, facts.active, added))
  if (errors.length > 0) return { errors }
  const store = segmentMappingStore(ctx.database)
  if (checked.length === 0) return { writes: [] }
  const rows = checked.flatMap(({ row }) => row ?? [])
  const now = ctx.clock()
  const changed = rows.filter(isSeenByPartners).map(({ segmentId }) => segmentId)
  const writes = [
    store.keepMappable([...facts.segments.values()]),
    ...rows.map((row) => write(ctx, { target, row, now })),
    ...store.logChanges(target.dataflowId, changed, now),
  ]
  const fit = store.fit(target.destinationId, ctx.guardrails.maxSegmentsPerDestination)
  return { writes: added > 0 ? [...writes, fit] : writes }
}

async function loadFacts(ctx: ServiceContext, target: Target, segments: readonly SegmentMappingInput[]) {
  const store = segmentMappingStore(ctx.database)
  const { sandboxId, dataflowId, destinationId } = target
  const segmentIds = [...new Set(segments.map(({ segmentId }) => segmentId))]
  const [mappable, mappings, active] = await Promise.all([
    store.mappable(sandboxId, segmentIds),
    store.inDataflow({ sandboxId, dataflowId, segmentIds }),
    store.countActive(destinationId),
  ])
  return {
    segments: new Map(mappable.map((row) => [row.id, row])),
    mappings: new Map(mappings.map((row) => [row.segmentId, row])),
    active,
  }
}

interface MappingRow {
  earlier: Row<'segmentMappings'> | undefined
  segmentId: string
  content: {
    schedule: Schedule
    exportMode: ExportMode
    filenameTemplate: string | null
    elementName: string
    elementDescription: string | null
  }
}

function checkMapping(options: {
  input: SegmentMappingInput
  facts: Facts
  path: string[]
  errors: UserError[]
}): { row: MappingRow | null; errors: UserError[] } {
  const { input, facts, path } = options
  const errors = [...options.errors]
  const segment = facts.segments.get(input.segmentId)
  if (!segment) errors.push(notFound('segment', input.segmentId, [...path, 'segmentId']))
  const earlier = facts.mappings.get(input.segmentId)
  const active = earlier?.elementStatus === 'ACTIVE' ? earlier : undefined
  const exportMode =
    (input.exportMode === undefined ? active?.exportMode : input.exportMode) ?? 'DAILY_FULL_EXPORT'
  const result = checkSchedule(input.schedule, exportMode, [...path, 'schedule'])
  if ('errors' in result) errors.push(...result.errors)
  const { filenameTemplate: template, elementName: name, elementDescription: description } = input
  if (template != null) errors.push(...checkFilenameTemplate(template, [...path, 'filenameTemplate']))
  if (name != null) errors.push(...checkName(name, [...path, 'elementName'], 'The element name'))
  errors.push(...checkDescription(description, [...path, 'elementDescription'], 'The element description'))
  if (errors.length > 0 || !segment || !('schedule' in result)) return { row: null, errors }
  const content = {
    schedule: result.schedule,
    exportMode,
    filenameTemplate: (template === undefined ? active?.filenameTemplate : template) ?? null,
    elementName: (name == null ? null : normalizeName(name)) ?? keptName(input, active) ?? segment.name,
    elementDescription: (description === undefined ? active?.elementDescription : description) ?? null,
  }
  return { row: { earlier, segmentId: segment.id, content }, errors }
}

function keptName(input: SegmentMappingInput, active: Row<'segmentMappings'> | undefined) {
  return input.elementName === undefined ? active?.elementName : null
}

function checkRoom(ctx: ServiceContext, active: number, added: number): UserError[] {
  const limit = ctx.guardrails.maxSegmentsPerDestination
  const requested = active + added
  if (added === 0 || requested <= limit) return []
  const message = `A destination carries at most ${limit} mapped segments, over all of its dataflows.`
  return [{ code: 'LIMIT_EXCEEDED', message, path: ['input', 'segments'], limit, requested }]
}

/** Whether the mapping is new, or its name, description, status or days change: the rest is not for partners. */
function isSeenByPartners({ earlier, content }: MappingRow): boolean {
  if (earlier?.elementStatus !== 'ACTIVE') return true
  const seen = ({ elementName, elementDescription, schedule }: MappingRow['content']) =>
    JSON.stringify([elementName, elementDescription, schedule.startDate, schedule.endDate])
  return seen(earlier) !== seen(content)
}

/** An active mapping keeps the clock of its first mapping; every other one starts it. */
function write(
  ctx: ServiceContext,
  options: { target: Target; row: MappingRow; now: Date },
): Query | ExpectingQuery {
  const { target, row, now } = options
  const { earlier, segmentId, content } = row
  const store = segmentMappingStore(ctx.database)
  const clock = {
    elementStatus: 'ACTIVE' as const,
    activatedAt: now,
    adHocAllowedFrom: new Date(now.getTime() + ctx.guardrails.minSecondsBetweenMappingAndAdHoc * 1000),
  }
  const anew = { ...clock, slotsUntil: now, sentSnapshotId: null }
  if (earlier) {
    const started = earlier.elementStatus === 'ACTIVE' ? changesOf(earlier, content, now) : anew
    return store.update(earlier.id, earlier.elementStatus, { ...content, ...started, updatedAt: now })
  }
  const id = ctx.newId('segmentMapping')
  return store.insert({ id, ...target, segmentId, ...content, ...anew, createdAt: now, updatedAt: now })
}

/** Slots of another schedule count from now on, and increments of another mode begin with a full export. */
function changesOf(earlier: Row<'segmentMappings'>, content: MappingRow['content'], now: Date) {
  return {
    ...(isSameSchedule(earlier.schedule, content.schedule) ? {} : { slotsUntil: now }),
    ...(earlier.exportMode === content.exportMode ? {} : { sentSnapshotId: null }),
  }
}

const isSameSchedule = (one: Schedule, other: Schedule): boolean =>
  (['frequency', 'trigger', 'startDate', 'endDate', 'startTime'] as const).every(
    (property) => one[property] === other[property],
  )
