import { authorize, type Session } from '../domain/access.ts'
import { invalid, notFound, Refusal, type UserError } from '../domain/errors.ts'
import type { FieldMappingInput } from '../domain/field-mapping.ts'
import type { DataflowState } from '../domain/model.ts'
import { dataflowStore } from '../storage/dataflow.ts'
import { note } from '../storage/deed.ts'
import { destinationStore } from '../storage/destination.ts'
import { destinationAccountStore } from '../storage/destination-account.ts'
import { segmentMappingStore } from '../storage/segment-mapping.ts'
import type { Row } from '../storage/tables.ts'
import { requireAccount } from './account-use.ts'
import type { ServiceContext } from './context.ts'
import {
  applyContent,
  type DataflowContentInput,
  EMPTY_CONTENT,
  fieldsOf,
  requireDriver,
} from './dataflow-content.ts'
import { removed } from './destination.ts'
import { checkSegmentCount, planMappings, type SegmentMappingInput } from './segment-mapping.ts'
import { againWhenStale, changedAt } from './stale.ts'

export interface CreateDataflowInput extends DataflowContentInput {
  name: string
  destinationId: string
  fields: readonly FieldMappingInput[]
  segments?: readonly SegmentMappingInput[] | null | undefined
}
export interface UpdateDataflowInput extends DataflowContentInput {
  id: string
}
export interface MapSegmentsInput {
  dataflowId: string
  segments: readonly SegmentMappingInput[]
}
type UsableDestination = Row<'destinations'> & { account: Row<'destinationAccounts'> | null }
export type DataflowService = ReturnType<typeof dataflowService>

/** What is sent to a destination: the fields of each row, and the segments with their schedules. */
export function dataflowService(ctx: ServiceContext) {
  const { database, clock, newId, guardrails, drivers } = ctx
  const store = dataflowStore(database)
  const destinations = destinationStore(database)
  const accounts = destinationAccountStore(database)
  const mappings = segmentMappingStore(database)

  const find = async (session: Session, id: string, path: string[]): Promise<Row<'dataflows'>> => {
    const [row] = await store.byIds(session.sandbox.id, [id])
    if (!row) throw new Refusal(notFound('dataflow', id, path))
    return row
  }
  /** The destination of a change that a removed one, or one on a removed account or one that is not shared, does not allow. */
  const findUsable = async (session: Session, id: string, path: string[]): Promise<UsableDestination> => {
    const [row] = await destinations.byIds(session.sandbox.id, [id])
    if (!row) throw new Refusal(notFound('destination', id, path))
    if (row.status === 'REMOVED') throw new Refusal(removed(row, path))
    return { ...row, account: await requireAccount(ctx, session, row, path) }
  }
  /** Locks it for the rest of a batch, and its account: misses what was removed meanwhile. */
  const keep = ({ id, accountId }: Row<'destinations'>) => [
    destinations.keep(id),
    ...(accountId === null ? [] : [accounts.keep(accountId)]),
  ]
  const announce = (destinationId: string) => database.wake.notify(`mappings:${destinationId}`)

  const setState = async (session: Session, id: string, state: DataflowState) => {
    authorize(session, 'dataflows:write')
    return againWhenStale(database, async () => {
      const row = await find(session, id, ['id'])
      if (row.state === state) return row
      const update = store.update(row, { state, updatedAt: changedAt(row, clock()) })
      const isUse = state === 'ENABLED'
      const kept = isUse ? keep(await findUsable(session, row.destinationId, ['id'])) : []
      const begun = isUse ? [mappings.beginSlots('dataflow', id, clock())] : []
      note('dataflow', id, { before: row, after: { state } })
      await database.batch([...kept, update, ...begun])
      return find(session, id, ['id'])
    })
  }

  return {
    /**
     * Makes a dataflow, enabled, with segments mapped to it if the input has some.
     * @throws Refusal with everything that is wrong with the input
     */
    async create(session: Session, input: CreateDataflowInput): Promise<Row<'dataflows'>> {
      authorize(session, 'dataflows:write')
      const id = newId('dataflow')
      const sandboxId = session.sandbox.id
      return againWhenStale(database, async () => {
        const path = ['input', 'destinationId']
        const destination = await findUsable(session, input.destinationId, path)
        const driver = requireDriver(drivers.find(destination.type), destination.type, path)
        const known = fieldsOf(driver, destination.account)
        const now = clock()
        const options = { current: EMPTY_CONTENT, input, driver, known, guardrails, now }
        const { content, errors } = await applyContent(options)
        const target = { sandboxId, dataflowId: id, destinationId: destination.id }
        const plan = await planMappings(ctx, target, input.segments ?? [])
        if ('errors' in plan) throw new Refusal([...errors, ...plan.errors])
        if (errors.length > 0) throw new Refusal(errors)
        const stamps = { state: 'ENABLED' as const, createdAt: now, updatedAt: now }
        const row = { id, sandboxId, destinationId: destination.id, ...content, ...stamps }
        note('dataflow', id, { after: { ...row, segments: input.segments ?? [] } })
        await database.batch([...keep(destination), store.insert(row), ...plan.writes])
        if (plan.writes.length > 0) announce(destination.id)
        return find(session, id, ['input'])
      })
    },

    /**
     * Changes what is sent. Runs that have begun go on with what they were made with.
     * @throws Refusal with everything that is wrong with the input
     */
    async update(session: Session, input: UpdateDataflowInput): Promise<Row<'dataflows'>> {
      authorize(session, 'dataflows:write')
      return againWhenStale(database, async () => {
        const row = await find(session, input.id, ['input', 'id'])
        const destination = await findUsable(session, row.destinationId, ['input', 'id'])
        const driver = requireDriver(drivers.find(destination.type), destination.type, ['input', 'id'])
        const known = fieldsOf(driver, destination.account)
        const options = { current: row, input, driver, known, guardrails, now: clock() }
        const { content, errors } = await applyContent(options)
        if (errors.length > 0) throw new Refusal(errors)
        const update = store.update(row, { ...content, updatedAt: changedAt(row, clock()) })
        note('dataflow', row.id, { before: row, after: content })
        await database.batch([...keep(destination), update])
        return find(session, row.id, ['input', 'id'])
      })
    },

    /** @throws Refusal NOT_FOUND, or CONFLICT when the destination is removed */
    enable: (session: Session, id: string): Promise<Row<'dataflows'>> => setState(session, id, 'ENABLED'),

    /** @throws Refusal NOT_FOUND */
    disable: (session: Session, id: string): Promise<Row<'dataflows'>> => setState(session, id, 'DISABLED'),

    /**
     * Maps segments, or changes how mapped ones are exported. Starts the time that must pass before the first
     * ad-hoc run; for a segment that is mapped already it goes on running.
     * @throws Refusal with everything that is wrong with the input
     */
    async mapSegments(session: Session, input: MapSegmentsInput): Promise<Row<'dataflows'>> {
      authorize(session, 'dataflows:write')
      const path = ['input', 'dataflowId']
      return againWhenStale(database, async () => {
        const row = await find(session, input.dataflowId, path)
        const destination = await findUsable(session, row.destinationId, path)
        const { id: destinationId } = destination
        if (input.segments.length === 0) {
          throw new Refusal(invalid(['input', 'segments'], 'Name at least one segment.'))
        }
        const target = { sandboxId: row.sandboxId, dataflowId: row.id, destinationId }
        const plan = await planMappings(ctx, target, input.segments)
        if ('errors' in plan) throw new Refusal(plan.errors)
        note('dataflow', row.id, { before: row, after: { segments: input.segments } })
        await database.batch([...keep(destination), ...plan.writes])
        announce(destinationId)
        return row
      })
    },

    /**
     * Ends the mapping of segments. The rows stay, as DELETED, for partners that keep a copy.
     * @throws Refusal NOT_FOUND for each segment that is not mapped
     */
    async unmapSegments(
      session: Session,
      dataflowId: string,
      segmentIds: readonly string[],
    ): Promise<Row<'dataflows'>> {
      authorize(session, 'dataflows:write')
      return againWhenStale(database, async () => {
        const row = await find(session, dataflowId, ['dataflowId'])
        if (segmentIds.length === 0) throw new Refusal(invalid(['segmentIds'], 'Name at least one segment.'))
        const tooMany = checkSegmentCount(segmentIds.length, ['segmentIds'])
        if (tooMany.length > 0) throw new Refusal(tooMany)
        const mapped = await mappings.inDataflow({ sandboxId: row.sandboxId, dataflowId, segmentIds })
        const kept = mapped.filter(({ elementStatus }) => elementStatus !== 'DELETED')
        const errors = notMapped(segmentIds, new Set(kept.map(({ segmentId }) => segmentId)))
        if (errors.length > 0) throw new Refusal(errors)
        const change = { elementStatus: 'DELETED' as const, updatedAt: clock() }
        note('dataflow', row.id, { before: { segments: segmentIds }, after: { segments: [] } })
        await database.batch([
          ...kept.map(({ id, elementStatus }) => mappings.update(id, elementStatus, change)),
          ...mappings.logChanges(dataflowId, segmentIds, change.updatedAt),
        ])
        announce(row.destinationId)
        return row
      })
    },
  }
}

function notMapped(segmentIds: readonly string[], mapped: ReadonlySet<string>): UserError[] {
  return segmentIds.flatMap((id, index) => {
    if (mapped.has(id)) return []
    const message = `There is no segment with id ${JSON.stringify(id.slice(0, 80))} mapped in this dataflow.`
    return [{ code: 'NOT_FOUND' as const, message, path: ['segmentIds', String(index)] }]
  })
}
