// Rows that an activation needs, as the services would have left them.
import { type AnyColumn, eq, sql } from 'drizzle-orm'
import type { ActivationErrorCode } from '../../src/domain/activation.ts'
import type { Activated, ActivationError } from '../../src/services/activation.ts'
import type { NewRow, Row } from '../../src/storage/tables.ts'
import { guardrails, type TestDatabase } from './database.ts'

/** A destination, a dataflow to it, and segments mapped to that, long enough ago to be activated. */
export async function aWorld(test: TestDatabase, options: { segments?: number; sandboxId?: string } = {}) {
  const world = worldOf(test, options.sandboxId ?? test.sandboxId)
  const destination = await world.destination()
  const dataflow = await world.dataflow(destination)
  const segments: Row<'segments'>[] = []
  for (let index = 0; index < (options.segments ?? 1); index += 1) {
    const segment = await world.segment({ name: `Segment ${index}` })
    await world.map(dataflow, segment)
    segments.push(segment)
  }
  return { ...world, destination, dataflow, segments, segmentIds: segments.map(({ id }) => id) }
}

export function worldOf({ database, ctx }: TestDatabase, sandboxId: string) {
  const { db, tables } = database
  const stamps = () => ({ createdAt: ctx.clock(), updatedAt: ctx.clock() })

  const evaluate = async (segment: Row<'segments'>, profileCount = 3) => {
    const number = nextNumber()
    const id = ctx.newId('snapshot')
    const evaluatedAt = new Date(ctx.clock().getTime() + number)
    await database.batch([
      db.insert(tables.snapshots).values({
        id,
        sandboxId,
        segmentId: segment.id,
        jobId: `job_${number}`,
        version: number,
        evaluatedAt,
        profileCount,
        entered: profileCount,
        exited: 0,
      }),
    ])
    return one(
      db
        .update(tables.segments)
        .set({ snapshotId: id })
        .where(eq(tables.segments.id, segment.id))
        .returning(),
    )
  }

  return {
    evaluate,
    async destination(changes: Partial<NewRow<'destinations'>> = {}) {
      return one(
        db
          .insert(tables.destinations)
          .values({
            id: ctx.newId('destination'),
            sandboxId,
            number: numberIn(tables.destinations),
            name: 'Files',
            type: 'LOCAL_DIRECTORY',
            settings: { path: 'out' },
            status: 'ENABLED',
            ...stamps(),
            ...changes,
          })
          .returning(),
      )
    },
    async account(changes: Partial<NewRow<'destinationAccounts'>> = {}) {
      return one(
        db
          .insert(tables.destinationAccounts)
          .values({
            id: ctx.newId('destinationAccount'),
            sandboxId,
            name: 'Ops',
            type: 'SFTP',
            settings: {},
            sharedWith: [],
            consentBy: 'test',
            consentAt: ctx.clock(),
            status: 'CONNECTED',
            ...stamps(),
            ...changes,
          })
          .returning(),
      )
    },
    async dataflow(destination: Row<'destinations'>, changes: Partial<NewRow<'dataflows'>> = {}) {
      return one(
        db
          .insert(tables.dataflows)
          .values({
            id: ctx.newId('dataflow'),
            sandboxId,
            name: 'Newsletter',
            destinationId: destination.id,
            state: 'ENABLED',
            fields: [{ source: 'email', target: 'EMAIL', required: true }],
            deduplicateBy: ['email'],
            consentAttribute: 'consent',
            fileFormat: {
              type: 'CSV',
              compression: 'NONE',
              delimiter: ',',
              quote: '"',
              escape: '"',
              nullValue: '',
              maxRowsPerFile: 5_000_000,
              manifest: true,
              neutralizeFormulas: true,
            },
            ...stamps(),
            ...changes,
          })
          .returning(),
      )
    },
    /** An active segment with one snapshot; `evaluate` adds further ones. */
    async segment(changes: Partial<NewRow<'segments'>> = {}) {
      const segment = await one(
        db
          .insert(tables.segments)
          .values({
            id: ctx.newId('segment'),
            sandboxId,
            number: numberIn(tables.segments),
            name: 'Buyers',
            status: 'ACTIVE',
            rule: { attribute: { path: 'email', operator: 'EXISTS' } },
            expression: 'email exists',
            ...stamps(),
            ...changes,
          })
          .returning(),
      )
      return evaluate(segment)
    },
    async map(
      dataflow: Row<'dataflows'>,
      segment: Row<'segments'>,
      changes: Partial<NewRow<'segmentMappings'>> = {},
    ) {
      const activatedAt = new Date(ctx.clock().getTime() - guardrails.minSecondsBetweenMappingAndAdHoc * 1000)
      return one(
        db
          .insert(tables.segmentMappings)
          .values({
            id: ctx.newId('segmentMapping'),
            sandboxId,
            number: numberIn(tables.segmentMappings),
            segmentId: segment.id,
            dataflowId: dataflow.id,
            destinationId: dataflow.destinationId,
            elementName: segment.name,
            elementStatus: 'ACTIVE',
            schedule: {
              frequency: 'DAILY',
              trigger: 'SCHEDULED',
              startDate: '2020-01-01',
              endDate: null,
              startTime: '00:00',
            },
            exportMode: 'DAILY_FULL_EXPORT',
            filenameTemplate: null,
            activatedAt,
            adHocAllowedFrom: ctx.clock(),
            ...stamps(),
            ...changes,
          })
          .returning(),
      )
    },
    /** Puts a run into any state, as a worker or the scheduler would have. */
    async setRun(id: string, changes: Partial<NewRow<'runs'>>) {
      await database.batch([db.update(tables.runs).set(changes).where(eq(tables.runs.id, id))])
    },
    countRuns: async () => (await db.select({ id: tables.runs.id }).from(tables.runs)).length,
  }
}

/** The activation and its runs, or a failed test that shows the errors. */
export function activated(answer: Activated | { errors: ActivationError[] }): Activated {
  if ('errors' in answer) throw new Error(`refused: ${JSON.stringify(answer.errors)}`)
  return answer
}
/** The errors, or a failed test. */
export function refused(answer: Activated | { errors: ActivationError[] }): ActivationError[] {
  if ('errors' in answer) return answer.errors
  throw new Error(`was activated: ${answer.activation.id}`)
}
export const codesOf = (errors: ActivationError[]): ActivationErrorCode[] => errors.map(({ code }) => code)

/** The next of the gateway, as the stores number their rows. */
const numberIn = <T extends { number: AnyColumn }>(table: T) =>
  sql<number>`(select coalesce(max(${table.number}), 0) + 1 from ${table})`

let lastNumber = 0
const nextNumber = () => ++lastNumber

async function one<T>(rows: PromiseLike<T[]>): Promise<T> {
  const [row] = await rows
  if (!row) throw new Error('the insert gave no row')
  return row
}
