import { eq } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ActivateInput, activationService } from '../../src/services/activation.ts'
import type { Database, Query } from '../../src/storage/database.ts'
import type { Row } from '../../src/storage/tables.ts'
import { activated, aWorld, refused } from '../support/activation.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

const MINUTE = 60_000
const START = new Date('2026-11-22T09:30:00.000Z')
let test: TestDatabase
let service: ReturnType<typeof activationService>
beforeEach(async () => {
  test = await testDatabase()
  test.setTime(START)
  service = activationService(test.ctx)
})
afterEach(() => test.dispose())

const later = (ms: number) => new Date(START.getTime() + ms)
const ask = (dataflow: { id: string }, segmentIds: string[], idempotencyKey?: string): ActivateInput => ({
  activations: [{ dataflowId: dataflow.id, segmentIds }],
  ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
})
/** The database, changed by somebody else just before its next write. */
function changedBeforeWriting(database: Database, change: Query): Database {
  let isChanged = false
  return {
    ...database,
    async batch(writes) {
      if (!isChanged) await database.batch([change])
      isChanged = true
      return database.batch(writes)
    },
  }
}

describe('one run at a time', () => {
  it('makes one run of 20 calls at once, and names it to the 19 others', async () => {
    const { dataflow, segmentIds, countRuns } = await aWorld(test)
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => service.activate(test.session, ask(dataflow, segmentIds))),
    )
    const [winner, ...others] = answers.filter((answer) => 'runs' in answer)
    expect(others).toEqual([])
    const run = winner?.runs[0] as Row<'runs'>
    const losers = answers.filter((answer) => 'errors' in answer)
    expect(losers).toHaveLength(19)
    for (const { errors } of losers) {
      expect(errors).toEqual([
        {
          code: 'RUN_IN_PROGRESS',
          runId: run.id,
          path: ['input', 'activations', '0', 'segmentIds', '0'],
          message: `Run already going on for segment ${segmentIds[0]} for order ${dataflow.id} with run id ${run.id}`,
        },
      ])
    }
    expect(await countRuns()).toBe(1)
  })

  it('makes no run through what was unmapped, disabled or removed while it was judged', async () => {
    const { dataflow, destination, segmentIds, countRuns } = await aWorld(test)
    const { db, tables } = test.database
    const { dataflows, destinations, segmentMappings } = tables
    const changes = [
      db.update(destinations).set({ status: 'REMOVED' }).where(eq(destinations.id, destination.id)),
      db.update(dataflows).set({ state: 'DISABLED' }).where(eq(dataflows.id, dataflow.id)),
      db.update(segmentMappings).set({ elementStatus: 'DELETED' }),
    ]
    const codes: string[] = []
    for (const change of changes) {
      const late = changedBeforeWriting(test.database, change)
      const answer = await activationService({ ...test.ctx, database: late }).activate(
        test.session,
        ask(dataflow, segmentIds),
      )
      codes.push(...refused(answer).map(({ code }) => code))
      await test.database.batch([
        db.update(destinations).set({ status: 'ENABLED' }),
        db.update(dataflows).set({ state: 'ENABLED' }),
      ])
    }
    expect(codes).toEqual(['DESTINATION_DISABLED', 'DATAFLOW_DISABLED', 'SEGMENT_NOT_MAPPED'])
    expect(await countRuns()).toBe(0)
  })

  it('lets the segment run again once the run has ended', async () => {
    const { dataflow, segmentIds, setRun } = await aWorld(test)
    const [run] = activated(await service.activate(test.session, ask(dataflow, segmentIds))).runs
    await setRun(run?.id ?? '', { status: 'CANCELLING' })
    refused(await service.activate(test.session, ask(dataflow, segmentIds)))
    await setRun(run?.id ?? '', { status: 'CANCELLED' })
    activated(await service.activate(test.session, ask(dataflow, segmentIds)))
  })

  it('waits for a scheduled run of the dataflow, whatever its segment', async () => {
    const { dataflow, segmentIds, setRun } = await aWorld(test, { segments: 2 })
    const [run] = activated(await service.activate(test.session, ask(dataflow, segmentIds.slice(0, 1)))).runs
    await setRun(run?.id ?? '', { trigger: 'SCHEDULED', status: 'PROCESSING' })
    const errors = refused(await service.activate(test.session, ask(dataflow, segmentIds.slice(1))))
    expect(errors).toMatchObject([{ code: 'SCHEDULED_RUN_IN_PROGRESS', runId: run?.id }])
  })
})

describe('idempotency', () => {
  it('gives the first answer again for the same input, however it is ordered', async () => {
    const { dataflow, segmentIds, countRuns } = await aWorld(test, { segments: 2 })
    const first = activated(await service.activate(test.session, ask(dataflow, segmentIds, 'key')))
    const restarted = activationService({ ...test.ctx })
    const again = activated(
      await restarted.activate(test.session, ask(dataflow, [...segmentIds].reverse(), ' key ')),
    )
    expect(again).toEqual(first)
    expect(await countRuns()).toBe(2)
  })

  it('makes one activation of 20 calls at once with one key', async () => {
    const { dataflow, segmentIds, countRuns } = await aWorld(test, { segments: 2 })
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => service.activate(test.session, ask(dataflow, segmentIds, 'key'))),
    )
    expect(new Set(answers.map((answer) => activated(answer).activation.id)).size).toBe(1)
    expect(new Set(answers.flatMap((answer) => activated(answer).runs.map(({ id }) => id))).size).toBe(2)
    expect(await countRuns()).toBe(2)
  })

  it('refuses the key for another input, also at once', async () => {
    const { dataflow, segmentIds } = await aWorld(test, { segments: 2 })
    const answers = await Promise.all(
      segmentIds.map((id) => service.activate(test.session, ask(dataflow, [id], 'key'))),
    )
    const conflict = answers.flatMap((answer) => ('errors' in answer ? answer.errors : []))
    expect(conflict).toMatchObject([{ code: 'IDEMPOTENCY_CONFLICT', path: ['input', 'idempotencyKey'] }])
    expect(conflict[0]?.message).toContain('new key')
  })

  it('keeps keys apart by token and by sandbox', async () => {
    const { dataflow, segmentIds } = await aWorld(test, { segments: 2 })
    activated(await service.activate(test.session, ask(dataflow, segmentIds.slice(0, 1), 'key')))
    const colleague = { ...test.session, tokenId: 'tok_other' }
    activated(await service.activate(colleague, ask(dataflow, segmentIds.slice(1), 'key')))
  })

  it('keeps a key for 24 hours, then lets it serve again', async () => {
    const { dataflow, segmentIds, setRun } = await aWorld(test)
    const input = ask(dataflow, segmentIds, 'key')
    const first = activated(await service.activate(test.session, input))
    await setRun(first.runs[0]?.id ?? '', { status: 'SUCCESS' })
    test.setTime(later(24 * 60 * MINUTE - 1))
    expect(activated(await service.activate(test.session, input)).activation.id).toBe(first.activation.id)
    test.setTime(later(24 * 60 * MINUTE))
    const second = activated(await service.activate(test.session, input))
    expect(second.activation.id).not.toBe(first.activation.id)
    expect(activated(await service.activate(test.session, input)).activation.id).toBe(second.activation.id)
  })

  it('does not keep a refusal under the key', async () => {
    const { dataflow, segment, map } = await aWorld(test)
    const stray = await segment()
    refused(await service.activate(test.session, ask(dataflow, [stray.id], 'key')))
    await map(dataflow, stray)
    activated(await service.activate(test.session, ask(dataflow, [stray.id], 'key')))
  })

  it.each(['', '   ', 'a\nb', '\ud800', 'x'.repeat(256)])('refuses the key %j', async (key) => {
    const { dataflow, segmentIds } = await aWorld(test)
    const errors = refused(await service.activate(test.session, ask(dataflow, segmentIds, key)))
    expect(errors).toMatchObject([{ code: 'INVALID_INPUT', path: ['input', 'idempotencyKey'] }])
  })
})
