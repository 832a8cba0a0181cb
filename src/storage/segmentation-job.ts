import { and, eq, inArray } from 'drizzle-orm'
import type { JobStatus } from '../domain/model.ts'
import type { Database, Query } from './database.ts'
import { hasId, isAlso } from './filter.ts'
import { reader } from './read.ts'
import type { NewRow, Row } from './tables.ts'

const ACTIVE: JobStatus[] = ['QUEUED', 'PROCESSING']

export function segmentationJobStore(database: Database) {
  const { db, tables } = database
  const { segmentationJobs } = tables
  const read = reader(database, segmentationJobs)

  return {
    byIds: (sandboxId: string, ids: readonly string[]): Promise<Row<'segmentationJobs'>[]> =>
      read.rows([isAlso(segmentationJobs.sandboxId, sandboxId), hasId(segmentationJobs.id, ids)]),

    /** The job that is waiting or at work; there is at most one in a sandbox. */
    async active(sandboxId: string): Promise<Row<'segmentationJobs'> | null> {
      const [job] = await db
        .select()
        .from(segmentationJobs)
        .where(and(eq(segmentationJobs.sandboxId, sandboxId), inArray(segmentationJobs.status, ACTIVE)))
        .limit(1)
      return job ?? null
    },

    insert: (job: NewRow<'segmentationJobs'>): Query => db.insert(segmentationJobs).values(job),
  }
}
