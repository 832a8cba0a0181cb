import { setImmediate } from 'node:timers/promises'
import type { Database } from '../storage/database.ts'
import { membershipStore } from '../storage/membership.ts'

/** Deletes the members of versions that nobody reads any more, in slices; stops between two of them when told to. */
export async function deleteUnneededMembers(database: Database, signal: AbortSignal): Promise<void> {
  const members = membershipStore(database)
  for (const version of await members.unneededVersions()) {
    while (!signal.aborted && (await members.deleteSlice(version))) await setImmediate()
    await setImmediate()
  }
}
