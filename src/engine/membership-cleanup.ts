import type { Database } from '../storage/database.ts'
import { membershipStore } from '../storage/membership.ts'
import { deletion } from './deletion.ts'

/** Deletes the members of versions that nobody reads any more, in slices; stops between two of them when told to. */
export async function deleteUnneededMembers(
  database: Database,
  signal: AbortSignal,
  deleting = deletion({ database, signal }),
): Promise<void> {
  const members = membershipStore(database)
  for (const version of await members.unneededVersions()) {
    if (signal.aborted) return
    await deleting.inSlices((limit) => members.deleteSlice(version, limit))
  }
}
