import { requireShared, type Session } from '../domain/access.ts'
import type { ActivationFacts, ActivationRequest } from '../domain/activation.ts'
import { type ActivationRows, activationFactsStore, type DataflowRow } from '../storage/activation-facts.ts'
import type { ServiceContext } from './context.ts'
import { unfilledFields } from './unfilled-fields.ts'

export interface LoadedDataflow extends DataflowRow {
  destination: DataflowRow['destination'] & {
    driver: { allowsAdHoc: boolean; needsAccount: boolean; takesFiles: boolean } | null
    misfit: string | null
  }
}
/** The facts with the whole rows behind them, so that a run can be planned from what was judged. */
export interface LoadedFacts extends ActivationFacts {
  dataflows: ReadonlyMap<string, LoadedDataflow>
  segments: ActivationRows['segments']
  mappings: ActivationRows['mappings']
}

/**
 * What the guardrails look at, as it is now and as far as the session may know of it.
 * @throws AccessError FORBIDDEN where a destination's account is not shared with any role of the session
 */
export async function loadFacts(
  ctx: ServiceContext,
  session: Session,
  request: ActivationRequest,
): Promise<LoadedFacts> {
  const store = activationFactsStore(ctx.database)
  const rows = await store.load(session.sandbox.id, request, session.destinationIds)
  for (const { destination } of rows.dataflows.values()) {
    if (destination.account) requireShared(session, destination.account)
  }
  const withDriver = (dataflow: DataflowRow): LoadedDataflow => {
    const { type, settings, account } = dataflow.destination
    const driver = ctx.drivers.find(type)
    const facts = driver && {
      allowsAdHoc: driver.allowsAdHoc,
      needsAccount: driver.account !== null,
      takesFiles: driver.delivery === 'FILE',
    }
    const misfit = (account && driver?.refusalOf?.(settings, account)) ?? null
    return { ...dataflow, destination: { ...dataflow.destination, driver: facts ?? null, misfit } }
  }
  return {
    ...rows,
    request,
    dataflows: new Map([...rows.dataflows].map(([id, dataflow]) => [id, withDriver(dataflow)])),
    unfilled: await unfilledFields(ctx, request, rows),
    now: ctx.clock(),
    limits: ctx.guardrails,
  }
}
