import type { Session } from '../domain/access.ts'
import { invalid, notFound, Refusal, type UserError } from '../domain/errors.ts'
import { evaluationOrder } from '../domain/rule-order.ts'
import { note } from '../storage/deed.ts'
import { segmentStore } from '../storage/segment.ts'
import { segmentationJobStore } from '../storage/segmentation-job.ts'
import type { Row } from '../storage/tables.ts'
import type { ServiceContext } from './context.ts'

const MAX_NAMED = 250

/** Queues a segmentation job, or finds the one at work; see SegmentService.evaluate. */
export async function evaluateSegments(
  ctx: ServiceContext,
  session: Session,
  segmentIds: string[] | null,
): Promise<Row<'segmentationJobs'>> {
  const { database, clock, newId } = ctx
  const sandboxId = session.sandbox.id
  const jobs = segmentationJobStore(database)
  const segments = await (segmentIds === null
    ? allActive(ctx, sandboxId)
    : allNamed(ctx, sandboxId, segmentIds))
  const ordered = evaluationOrder(segments, ['segmentIds'])
  const atWork = async () => {
    const active = await jobs.active(sandboxId)
    return active && covering(active, ordered)
  }
  const running = await atWork()
  if (running) return running
  const job = {
    id: newId('segmentationJob'),
    sandboxId,
    status: 'QUEUED' as const,
    trigger: 'AD_HOC' as const,
    segmentIds: ordered.map(({ id }) => id),
    createdAt: clock(),
  }
  try {
    note('segmentationJob', job.id, { after: job })
    await database.batch([jobs.insert(job)])
  } catch (error) {
    // Another request was faster by a hair.
    const faster = database.violatedTable(error) === 'segmentation_jobs' ? await atWork() : null
    if (faster) return faster
    throw error
  }
  database.wake.notify('jobs')
  const [queued] = await jobs.byIds(sandboxId, [job.id])
  if (!queued) throw new Error('A job that was just queued is not there.')
  return queued
}

async function allActive(ctx: ServiceContext, sandboxId: string): Promise<Row<'segments'>[]> {
  const kept = await segmentStore(ctx.database).allKept(sandboxId)
  const active = kept.filter(({ status }) => status === 'ACTIVE')
  if (active.length > 0) return active
  throw new Refusal(
    invalid(['segmentIds'], 'There is no active segment to evaluate. Create or activate one.'),
  )
}

async function allNamed(ctx: ServiceContext, sandboxId: string, ids: string[]): Promise<Row<'segments'>[]> {
  const path = ['segmentIds']
  if (ids.length === 0) {
    throw new Refusal(
      invalid(path, 'Name at least one segment, or leave segmentIds out for all active ones.'),
    )
  }
  if (ids.length > MAX_NAMED) {
    const message = `At most ${MAX_NAMED} segments can be named. Leave segmentIds out to evaluate all active ones.`
    throw new Refusal({ code: 'LIMIT_EXCEEDED', message, path, limit: MAX_NAMED, requested: ids.length })
  }
  const rows = await segmentStore(ctx.database).byIds(sandboxId, ids)
  const byId = new Map(rows.map((row) => [row.id, row]))
  const errors = ids.flatMap((id, index) => refusal(byId.get(id), id, [...path, String(index)]) ?? [])
  if (errors.length > 0) throw new Refusal(errors)
  return rows.sort((left, right) => ids.indexOf(left.id) - ids.indexOf(right.id))
}

function refusal(row: Row<'segments'> | undefined, id: string, path: string[]): UserError | null {
  if (!row || row.status === 'DELETED') return notFound('segment', id, path)
  if (row.status === 'ACTIVE') return null
  const message = `${JSON.stringify(row.name)} is ${row.status}. Set its status to ACTIVE before it is evaluated.`
  return { ...invalid(path, message), nodeId: row.id }
}

/**
 * The job at work, when it evaluates all that is asked for.
 * @throws Refusal CONFLICT when it does not: two jobs at a time would race for the snapshots
 */
function covering(job: Row<'segmentationJobs'>, asked: readonly Row<'segments'>[]): Row<'segmentationJobs'> {
  const evaluated = new Set(job.segmentIds)
  const missing = asked.find(({ id }) => !evaluated.has(id))
  if (!missing) return job
  const message = `Segmentation job ${job.id} is not done yet, and does not evaluate ${JSON.stringify(missing.name)}. Wait for its end, then ask again.`
  throw new Refusal({ code: 'CONFLICT', message, path: ['segmentIds'], nodeId: job.id })
}
