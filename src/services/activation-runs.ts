import { pairKey } from '../domain/activation.ts'
import type { RunPlan } from '../domain/model.ts'
import { type AttributeTypes, type Naming, planRun, withOwnName } from '../domain/run-plan.ts'
import type { Row } from '../storage/tables.ts'
import type { LoadedFacts } from './activation-facts.ts'
import type { ServiceContext } from './context.ts'

export interface ActivationContext extends ServiceContext {
  /** For the macro %ORGANIZATION_NAME%. */
  organizationName?: string
}

/** What names an organisation where none is configured. */
const DEFAULT_ORGANIZATION = 'local@gateway'

/** What the file of a run that is made now is named by. */
export function namingOf(
  { organizationName = DEFAULT_ORGANIZATION }: ActivationContext,
  {
    mapping,
    sandboxName,
    now,
  }: { mapping: Pick<Row<'segmentMappings'>, 'filenameTemplate'>; sandboxName: string; now: Date },
): Naming {
  return { filenameTemplate: mapping.filenameTemplate, organizationName, sandboxName, now }
}

/** The runs of an activation whose facts passed the guardrails: one per order, each with all that it needs pinned. */
export function plannedRuns(
  ctx: ActivationContext,
  options: {
    facts: LoadedFacts
    activation: Row<'activations'>
    sandboxName: string
    types: AttributeTypes
  },
) {
  const { facts, activation, sandboxName, types } = options
  const taken = new Set<string>()
  return facts.request.orders.map(({ dataflowId, segmentId }) => {
    const dataflow = facts.dataflows.get(dataflowId)
    const segment = facts.segments.get(segmentId)
    const mapping = facts.mappings.get(pairKey(dataflowId, segmentId))
    if (!dataflow || !mapping || !segment?.snapshot) {
      throw new Error(`the guardrails let ${dataflowId} and ${segmentId} pass without their facts`)
    }
    const id = ctx.newId('run')
    const naming = namingOf(ctx, { mapping, sandboxName, now: facts.now })
    const plan = planRun({ dataflow, segment, snapshot: segment.snapshot, naming, types })
    return {
      id,
      sandboxId: activation.sandboxId,
      dataflowId,
      destinationId: dataflow.destinationId,
      segmentId,
      mappingId: mapping.id,
      snapshotId: segment.snapshot.id,
      activationId: activation.id,
      trigger: 'AD_HOC' as const,
      mode: 'FULL' as const,
      plan: claimName(taken, plan, id),
      total: segment.snapshot.profileCount,
      createdAt: activation.createdAt,
    }
  })
}

/** A template may leave the segment out: two files of one call must not meet under one name. */
function claimName(taken: Set<string>, plan: RunPlan, runId: string): RunPlan {
  const place = JSON.stringify([plan.destination.id, plan.fileName])
  if (taken.has(place)) return withOwnName(plan, runId)
  taken.add(place)
  return plan
}
