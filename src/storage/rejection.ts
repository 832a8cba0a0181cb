// Profiles that were left out or refused. A rejection has no id of its own: a profile is rejected once per run.
import type { RejectionReason } from '../domain/model.ts'
import type { Database } from './database.ts'
import { is, isAmong } from './filter.ts'
import { type Paging, selectPages } from './paging.ts'
import { reader } from './read.ts'

export interface RejectionFilter {
  reason?: RejectionReason[] | null | undefined
  profileId?: number | null | undefined
}

export function rejectionStore(database: Database) {
  const { rejections } = database.tables
  const read = reader(database, rejections, { counts: 'aside' })
  return {
    /** Those of each of the runs, by profile. Whoever asks has seen that the runs are his. */
    async pagesByRun(
      runIds: readonly string[],
      { filter, ...paging }: Paging & { filter?: RejectionFilter | null | undefined },
    ) {
      const parents = { column: rejections.runId, ids: runIds }
      const where = [
        isAmong({ column: rejections.reason, values: filter?.reason, name: 'reason' }),
        filter?.profileId == null ? undefined : is(rejections.profileId, filter.profileId),
      ]
      const order = {
        name: 'PROFILE',
        column: rejections.profileId,
        tie: rejections.profileId,
        direction: 'ASC' as const,
      }
      return selectPages({ reader: read, parents, where, order, ...paging })
    },
  }
}
