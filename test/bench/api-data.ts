// A gateway that has been in use for a year: 500 segments, 20 destinations with 5 dataflows each, 5,000 mappings and
// 20 runs of each, so that what is fast is fast because of its indexes.
import type { SQLiteTable } from 'drizzle-orm/sqlite-core'
import type { RunPlan } from '../../src/domain/model.ts'
import type { Database } from '../../src/storage/database.ts'
import { newId } from '../../src/storage/ids.ts'
import { openDatabase } from '../../src/storage/open.ts'
import type { NewRow } from '../../src/storage/tables.ts'

const SEGMENTS = 500
const DESTINATIONS = 20
const DATAFLOWS_EACH = 5
/** With 5 dataflows a destination has 250 mapped segments, as many as the guardrail allows. */
const MAPPINGS_EACH = 50
const DESCRIPTION = 'Customers that our rules put here; ask the owner before it is used for anything new.'
const FIELDS = ['email', 'first_name', 'last_name', 'city'].map((source) => ({
  source,
  target: source,
  required: source === 'email',
}))
const SCHEDULE = {
  frequency: 'DAILY' as const,
  trigger: 'SCHEDULED' as const,
  startDate: '2025-11-01',
  endDate: null,
  startTime: '06:00',
}
const YEAR_AGO = Date.UTC(2025, 10, 1)
const MINUTE = 60_000

/** The destinations, and the numbers of the mappings of each. */
export type ApiData = { id: string; numbers: number[] }[]

/** Fills a new database file. `runsEach` is how many runs each mapping has had. */
export async function fillApiData(file: string, runsEach = 20): Promise<ApiData> {
  const database = openDatabase(`file:${file}`)
  const { tables } = database
  await database.migrate()
  const sandboxId = newId('sandbox')
  await insert(database, tables.sandboxes, [
    { id: sandboxId, name: 'prod', title: 'Production', createdAt: moment(0) },
  ])
  const segments = Array.from({ length: SEGMENTS }, (_, n) => segmentRow(sandboxId, n))
  await insert(database, tables.segments, segments)

  const data: ApiData = []
  let number = 0
  for (let d = 0; d < DESTINATIONS; d += 1) {
    const destination = destinationRow(sandboxId, d)
    const dataflows = Array.from({ length: DATAFLOWS_EACH }, (_, n) => dataflowRow(destination, n))
    const mappings = dataflows.flatMap((dataflow, n) =>
      Array.from({ length: MAPPINGS_EACH }, (_, m) => {
        number += 1
        return mappingRow(dataflow, segments[(d * 7 + n * MAPPINGS_EACH + m) % SEGMENTS]!, number)
      }),
    )
    // A run of every mapping, then the next of every mapping: as schedules make them.
    const runs = Array.from({ length: runsEach }, (_, n) =>
      mappings.map((mapping, m) => runRow(mapping, n * mappings.length + m)),
    ).flat()
    await insert(database, tables.destinations, [destination])
    await insert(database, tables.dataflows, dataflows)
    await insert(database, tables.segmentMappings, mappings)
    await insert(database, tables.runs, runs)
    data.push({ id: destination.id, numbers: mappings.map((mapping) => mapping.number) })
  }
  await database.close()
  return data
}

async function insert<Table extends SQLiteTable>(
  database: Database,
  table: Table,
  rows: Table['$inferInsert'][],
): Promise<void> {
  for (let start = 0; start < rows.length; start += 500) {
    await database.batch([database.db.insert(table).values(rows.slice(start, start + 500))])
  }
}

const moment = (minutes: number) => new Date(YEAR_AGO + minutes * MINUTE)
const stamps = (minutes: number) => ({ createdAt: moment(minutes), updatedAt: moment(minutes) })

const segmentRow = (sandboxId: string, n: number) => ({
  id: newId('segment'),
  sandboxId,
  number: n + 1,
  name: `Customers who spent more than ${n} in a month`,
  description: DESCRIPTION,
  status: 'ACTIVE' as const,
  rule: { attribute: { path: 'total_spent', operator: 'GREATER_THAN' as const, value: n } },
  expression: `total_spent > ${n}`,
  ...stamps(n),
})

const destinationRow = (sandboxId: string, n: number) => ({
  id: newId('destination'),
  sandboxId,
  number: n + 1,
  name: `Partner ${n + 1}`,
  description: DESCRIPTION,
  type: 'LOCAL_DIRECTORY',
  settings: { path: `partner-${n + 1}` },
  status: 'ENABLED' as const,
  ...stamps(n),
})

const dataflowRow = (destination: ReturnType<typeof destinationRow>, n: number) => ({
  id: newId('dataflow'),
  sandboxId: destination.sandboxId,
  name: `${destination.name}, list ${n + 1}`,
  destinationId: destination.id,
  state: 'ENABLED' as const,
  fields: FIELDS,
  deduplicateBy: ['email'],
  ...stamps(n),
})

const mappingRow = (
  dataflow: ReturnType<typeof dataflowRow>,
  segment: ReturnType<typeof segmentRow>,
  number: number,
) => ({
  id: newId('segmentMapping'),
  sandboxId: dataflow.sandboxId,
  number,
  segmentId: segment.id,
  dataflowId: dataflow.id,
  destinationId: dataflow.destinationId,
  elementName: segment.name,
  elementDescription: segment.description,
  elementStatus: 'ACTIVE' as const,
  schedule: SCHEDULE,
  exportMode: 'DAILY_FULL_EXPORT' as const,
  activatedAt: moment(number),
  adHocAllowedFrom: moment(number + 20),
  ...stamps(number),
})

function runRow(mapping: ReturnType<typeof mappingRow>, n: number): NewRow<'runs'> {
  const { dataflowId, destinationId, segmentId } = mapping
  const plan: RunPlan = {
    destination: { id: destinationId, name: 'Partner', type: 'LOCAL_DIRECTORY', settings: { path: 'out' } },
    accountId: null,
    dataflow: { id: dataflowId, name: 'List' },
    segment: { id: segmentId, name: mapping.elementName },
    snapshot: { id: 'snap_1', version: 1 },
    fields: FIELDS,
    deduplicateBy: ['email'],
    consentAttribute: null,
    fileFormat: null,
    fileName: `segment-${n}`,
    isStaticName: false,
  }
  const counted = 10_000 + (n % 1000)
  return {
    id: newId('run'),
    sandboxId: mapping.sandboxId,
    dataflowId,
    destinationId,
    segmentId,
    mappingId: mapping.id,
    trigger: 'SCHEDULED',
    mode: 'FULL',
    status: 'SUCCESS',
    phase: 'DONE',
    plan,
    total: counted,
    received: counted,
    exported: counted,
    bytes: counted * 60,
    files: 1,
    attempt: 1,
    fence: 1,
    createdAt: moment(n),
    startedAt: moment(n + 1),
    completedAt: moment(n + 2),
  }
}
