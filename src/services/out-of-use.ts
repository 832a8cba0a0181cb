import type { Write } from '../storage/database.ts'
import { dataflowStore } from '../storage/dataflow.ts'
import { type Destinations, runCancel } from '../storage/run-cancel.ts'
import { announceRun } from '../storage/run-event.ts'
import type { ServiceContext } from './context.ts'

/**
 * Takes destinations out of use by `writes`, and in the same step stops what hangs on them: their dataflows are
 * disabled, runs that nobody has begun end, and others are stopped unless their files are appearing. The history stays.
 * @param why told by each of the runs
 */
export async function takeOutOfUse(
  { database }: ServiceContext,
  destinations: Destinations,
  { writes, ...stop }: { sandboxId: string; why: string; at: Date; writes: readonly Write[] },
): Promise<void> {
  const runs = runCancel(database)
  const active = await runs.activeTo(destinations)
  await database.batch([
    ...writes,
    dataflowStore(database).disableTo(destinations, stop.at),
    ...runs.allTo(destinations, stop),
  ])
  for (const id of active) announceRun(database, id)
  database.wake.notify('runs')
}
