// What a run pins when it is made, so that later edits do not change what it sends.
import { columnTypeOf, hasSchema } from './file-format.ts'
import { DEFAULT_TEMPLATE, isStaticTemplate, renderFilename } from './filename.ts'
import { isMembershipStatus } from './membership.ts'
import type { FieldMapping, FileFormat, PlannedField, RunPlan } from './model.ts'
import type { AttributeType } from './value-type.ts'

export interface PlannedDataflow {
  id: string
  name: string
  fields: FieldMapping[]
  deduplicateBy: string[]
  consentAttribute: string | null
  fileFormat: FileFormat | null
  destination: PlannedDestination
}
export interface PlannedDestination {
  id: string
  name: string
  type: string
  settings: Record<string, unknown>
  accountId: string | null
  driver: { takesFiles: boolean } | null
}
/** Who and when, for the macros of file names. */
export interface Naming {
  filenameTemplate: string | null
  organizationName: string
  sandboxName: string
  now: Date
}

/** The types of attributes, by their paths. */
export type AttributeTypes = ReadonlyMap<string, AttributeType>

/** The plan of a new run of the segment's latest snapshot. `types` is used by formats with a schema. */
export function planRun(options: {
  dataflow: PlannedDataflow
  segment: { id: string; name: string }
  snapshot: { id: string; version: number }
  naming: Naming
  types: AttributeTypes
}): RunPlan {
  const { dataflow, segment, snapshot, naming, types } = options
  const { destination } = dataflow
  return {
    ...pinDestination(destination),
    dataflow: { id: dataflow.id, name: dataflow.name },
    segment: { id: segment.id, name: segment.name },
    snapshot: { id: snapshot.id, version: snapshot.version },
    fields: hasSchema(dataflow.fileFormat) ? typed(dataflow.fields, types) : dataflow.fields,
    deduplicateBy: dataflow.deduplicateBy,
    consentAttribute: dataflow.consentAttribute,
    fileFormat: destination.driver?.takesFiles ? dataflow.fileFormat : null,
    ...nameFile({ dataflow, segment, naming }),
  }
}

/**
 * The plan of a run that repeats an earlier one: the same snapshot and fields, to the destination as it is set now,
 * under a name of its own. Only a static name, which says that the newest file replaces the last, is used again, and
 * that only for a whole snapshot: a part of one must not replace it.
 */
export function planRetry(options: {
  earlier: { id: string; plan: RunPlan }
  runId: string
  dataflow: PlannedDataflow
  naming: Naming
  /** Repeats only what the destination refused in this run. */
  refusedIn?: string
}): RunPlan {
  const { earlier, runId, dataflow, naming, refusedIn } = options
  const { plan } = earlier
  const named = nameFile({ dataflow, segment: plan.segment, naming })
  const part = refusedIn === undefined ? {} : { refusedIn }
  const fresh: RunPlan = { ...plan, ...part, ...pinDestination(dataflow.destination), ...named }
  const hadOwnName = plan.fileName?.endsWith(suffix(earlier.id)) ?? false
  const repeatsName = !fresh.isStaticName && fresh.fileName === plan.fileName
  const wouldReplace = fresh.isStaticName && fresh.refusedIn !== undefined
  return hadOwnName || repeatsName || wouldReplace ? withOwnName(fresh, runId) : fresh
}

/** The plan under a name that no other run has. */
export function withOwnName(plan: RunPlan, runId: string): RunPlan {
  if (plan.fileName === null) return plan
  return { ...plan, fileName: plan.fileName + suffix(runId), isStaticName: false }
}

const suffix = (runId: string): string => `_${runId}`

const typed = (fields: FieldMapping[], types: AttributeTypes): PlannedField[] =>
  fields.map((field) => {
    const type = isMembershipStatus(field.source) ? undefined : types.get(field.source)
    return { ...field, type: columnTypeOf(type) }
  })

function pinDestination({ id, name, type, settings, accountId }: PlannedDestination) {
  return { destination: { id, name, type, settings }, accountId }
}

function nameFile(options: {
  dataflow: PlannedDataflow
  segment: { id: string; name: string }
  naming: Naming
}): Pick<RunPlan, 'fileName' | 'isStaticName'> {
  const { dataflow, segment, naming } = options
  const { destination } = dataflow
  if (!destination.driver?.takesFiles) return { fileName: null, isStaticName: false }
  const template = naming.filenameTemplate ?? DEFAULT_TEMPLATE
  const { organizationName, sandboxName, now } = naming
  const facts = { destination, segment, dataflow, organizationName, sandboxName, at: now }
  return { fileName: renderFilename(template, facts), isStaticName: isStaticTemplate(template) }
}
