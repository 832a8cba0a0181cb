import { and, eq, gte, inArray, lt, notExists, sql } from 'drizzle-orm'
import type { JobStatus, Trigger } from '../domain/model.ts'
import type { Database, Query } from './database.ts'
import { hasId, is, isAlso, isAmong } from './filter.ts'
import { type Paging, selectPage } from './paging.ts'
import { reader } from './read.ts'
import type { NewRow, Row } from './tables.ts'

export interface SegmentationJobFilter {
  status?: JobStatus[] | null | undefined
  trigger?: Trigger[] | null | undefined
}

const ACTIVE: JobStatus[] = ['QUEUED', 'PROCESSING']

export function segmentationJobStore(database: Database) {
  const { db, tables } = database
  const { sandboxes, segmentationJobs } = tables
  const read = reader(database, segmentationJobs)
  const active = inArray(segmentationJobs.status, ACTIVE)

  return {
    byIds: (sandboxId: string, ids: readonly string[]): Promise<Row<'segmentationJobs'>[]> =>
      read.rows([isAlso(segmentationJobs.sandboxId, sandboxId), hasId(segmentationJobs.id, ids)]),

    /**
     * Newest first.
     * @throws Refusal for bad paging or too long a filter
     */
    async page(options: Paging & { sandboxId: string; filter?: SegmentationJobFilter | null | undefined }) {
      const { sandboxId, filter, ...paging } = options
      const { createdAt, id, status, trigger } = segmentationJobs
      const where = [
        is(segmentationJobs.sandboxId, sandboxId),
        isAmong({ column: status, values: filter?.status, name: 'status' }),
        isAmong({ column: trigger, values: filter?.trigger, name: 'trigger' }),
      ]
      const order = { name: 'CREATED_AT', column: createdAt, tie: id, direction: 'DESC' as const }
      return selectPage({ reader: read, where, order, ...paging })
    },

    /** The job that is waiting or at work; there is at most one in a sandbox. */
    async active(sandboxId: string): Promise<Row<'segmentationJobs'> | null> {
      const [job] = await db
        .select()
        .from(segmentationJobs)
        .where(and(eq(segmentationJobs.sandboxId, sandboxId), active))
        .limit(1)
      return job ?? null
    },

    /** The sandboxes, older than this time, that have had no job for it or for a later one; busy: another job is at work there. */
    async sandboxesDue(dueAt: Date): Promise<{ sandboxId: string; isBusy: boolean }[]> {
      const itsJob = db
        .select({ one: sql`1` })
        .from(segmentationJobs)
        .where(and(eq(segmentationJobs.sandboxId, sandboxes.id), gte(segmentationJobs.dueAt, dueAt)))
      const due = await db
        .select({ id: sandboxes.id })
        .from(sandboxes)
        .where(and(lt(sandboxes.createdAt, dueAt), notExists(itsJob)))
        .orderBy(sandboxes.id)
      if (due.length === 0) return []
      const busy = await db
        .selectDistinct({ id: segmentationJobs.sandboxId })
        .from(segmentationJobs)
        .where(active)
      const isBusy = new Set(busy.map(({ id }) => id))
      return due.map(({ id }) => ({ sandboxId: id, isBusy: isBusy.has(id) }))
    },

    insert: (job: NewRow<'segmentationJobs'>): Query => db.insert(segmentationJobs).values(job),
  }
}
