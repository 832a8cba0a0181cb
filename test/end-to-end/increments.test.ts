// A receiver that applies every increment to the first full file has exactly the latest snapshot, whatever failed, was
// cancelled, repeated or sent by hand in between. Through the scheduler, the workers and real files.
import fs from 'node:fs'
import path from 'node:path'
import { eq } from 'drizzle-orm'
import { expect, it } from 'vitest'
import { Refusal } from '../../src/domain/errors.ts'
import { runWorker } from '../../src/engine/worker.ts'
import { activationService } from '../../src/services/activation.ts'
import { dataflowService } from '../../src/services/dataflow.ts'
import { profileService } from '../../src/services/profile.ts'
import { runService } from '../../src/services/run.ts'
import { segmentService } from '../../src/services/segment.ts'
import { runStore } from '../../src/storage/run.ts'
import type { Row } from '../../src/storage/tables.ts'
import { activated, worldOf } from '../support/activation.ts'
import { silent, testDatabase } from '../support/database.ts'
import { runRow, untilEnded } from '../support/export-scene.ts'
import { randomNumbers } from '../support/random.ts'
import { aSchedule, aScheduler, HOUR, scheduledRuns } from '../support/schedule.ts'
import { ended, startWorker } from '../support/segments.ts'

const STEPS = 200
const PEOPLE = 40

it('increments add up to the latest snapshot', { timeout: 120_000 }, async () => {
  const world = await aGateway()
  const { receiver, random } = world
  const happened = new Map<string, number>()
  const note = (what: string) => happened.set(what, (happened.get(what) ?? 0) + 1)
  try {
    for (let step = 0; step < STEPS; step += 1) {
      if (random() < 0.02) await world.beginAnew()
      world.moveOn()
      if (random() < 0.8) await world.segment()
      if (random() < 0.03) await world.erase()
      const adHoc = random() < 0.15 ? await world.activate() : null
      const isBroken = random() < 0.25
      const run = await world.runSlot({ isBroken, isCancelled: !isBroken && random() < 0.1 })
      if (adHoc) note(`${adHoc.mode} ad hoc ${await world.endOf(adHoc)}`)
      note(`${run.mode} ${run.status}`)
      if (run.status === 'SUCCESS') receiver.take(run, await world.fileOf(run))
      expect(receiver.has()).toEqual(await world.sent())
      if (run.status === 'SUCCESS') expect(receiver.has()).toEqual(await world.membersOf(run.snapshotId))
      if (random() > 0.2) continue
      const repeated = await world.retry()
      note(repeated ? `repeated ${repeated.mode} ${repeated.status}` : 'repeated refused')
      if (repeated?.mode === 'INCREMENTAL') receiver.take(repeated, await world.fileOf(repeated))
      expect(receiver.has()).toEqual(await world.sent())
    }
    const all = Object.fromEntries(happened)
    for (const kind of [
      'FULL SUCCESS',
      'INCREMENTAL SUCCESS',
      'INCREMENTAL FAILED',
      'INCREMENTAL CANCELLED',
      'FULL ad hoc SUCCESS',
      'repeated INCREMENTAL SUCCESS',
      'repeated refused',
    ])
      expect(all[kind], `${kind} in ${JSON.stringify(all)}`).toBeGreaterThan(0)
    expect(all['INCREMENTAL SUCCESS']).toBeGreaterThan(STEPS / 2)
  } finally {
    await world.stop()
  }
})

/** Rows by key, as they say. */
function aReceiver() {
  let rows = new Set<string>()
  return {
    take({ mode }: Pick<Row<'runs'>, 'mode'>, file: string[][]) {
      if (mode === 'FULL') rows = new Set()
      for (const [id = '', status] of file) {
        expect(status).toMatch(mode === 'FULL' ? /^realized$/ : /^(realized|exited)$/)
        rows[status === 'exited' ? 'delete' : 'add'](id)
      }
    },
    forget: (id: string) => rows.delete(id),
    has: () => [...rows].sort(),
  }
}

async function aGateway() {
  const test = await testDatabase()
  const { database, ctx, session } = test
  const { db, tables } = database
  const random = randomNumbers(5)
  const receiver = aReceiver()
  const world = worldOf(test, test.sandboxId)
  let now = new Date('2026-03-01T00:10:00.000Z').getTime()
  test.setTime(new Date(now))
  await database.life.register('proc')
  const runs = runWorker({ ...ctx, database, log: silent, processId: 'proc', concurrency: 1 })
  runs.start()
  const jobs = startWorker(test, 'proc')
  const { tick } = aScheduler(test)

  const rule = { attribute: { path: 'in', operator: 'EQUALS' as const, value: true } }
  const segment = await segmentService(ctx).create(session, { name: 'In', rule })
  const fields = [
    { source: 'id', target: 'id', required: true },
    { source: 'segmentMembership.status', target: 'status', required: true },
  ]
  const destination = await world.destination()
  const dataflow = await world.dataflow(destination, { fields, deduplicateBy: [], consentAttribute: null })
  const map = async (exportMode: Row<'segmentMappings'>['exportMode']) => {
    const frequency = exportMode === 'DAILY_FULL_EXPORT' ? 'DAILY' : 'EVERY_3_HOURS'
    const segments = [
      { segmentId: segment.id, exportMode, schedule: aSchedule(frequency, { startTime: '00:00' }) },
    ]
    await dataflowService(ctx).mapSegments(session, { dataflowId: dataflow.id, segments })
  }
  const people = Array.from({ length: PEOPLE }, (_, index) => ({ id: String(index + 1), in: random() < 0.5 }))
  const alive = new Set(people)

  const membersOf = async (snapshotId: string | null): Promise<string[]> => {
    const { members, profiles, snapshots } = tables
    const rows = await db
      .select({ key: profiles.key })
      .from(snapshots)
      .innerJoin(members, eq(members.version, snapshots.version))
      .innerJoin(profiles, eq(profiles.id, members.profileId))
      .where(eq(snapshots.id, snapshotId ?? ''))
    return rows.map(({ key }) => key).sort()
  }
  const gateway = {
    test,
    random,
    receiver,
    membersOf,
    moveOn() {
      now += 3 * HOUR
      test.setTime(new Date(now))
    },
    /** Some come, some go, and the segment is evaluated. */
    async segment() {
      const share = random() ** 2
      for (const one of alive) if (random() < share) one.in = !one.in
      const attributes = people.map((one) => (alive.has(one) ? one : null))
      const patches = attributes.flatMap((one) => (one ? [{ ...one }] : []))
      await profileService(ctx).upsert(session, { key: 'id', profiles: patches })
      const job = await segmentService(ctx).evaluate(session, [segment.id])
      expect((await ended(test, job.id)).status).toBe('SUCCEEDED')
    },
    async erase() {
      const [one] = [...alive].sort(() => random() - 0.5)
      if (!one || alive.size < PEOPLE / 2) return
      alive.delete(one)
      await profileService(ctx).delete(session, { key: 'id', value: one.id })
      receiver.forget(one.id) // is told otherwise
    },
    async beginAnew() {
      await map('DAILY_FULL_EXPORT')
      await map('FIRST_FULL_THEN_INCREMENTAL')
    },
    async activate() {
      const input = { activations: [{ dataflowId: dataflow.id, segmentIds: [segment.id] }] }
      const [run] = activated(await activationService(ctx).activate(session, input)).runs
      return run!
    },
    async endOf({ id }: Pick<Row<'runs'>, 'id'>) {
      await untilEnded(test, id)
      return (await runRow(test, id)).status
    },
    /** The run of the slot that has come, at its end. */
    async runSlot({ isBroken, isCancelled }: { isBroken: boolean; isCancelled: boolean }) {
      await setPath(isBroken ? '../outside' : 'out')
      await tick()
      const run = (await scheduledRuns(test)).at(-1)!
      expect(run.dueAt?.getTime()).toBe(now - 10 * 60_000)
      await setPath('out')
      if (isCancelled)
        await runService(ctx)
          .cancel(session, run.id)
          .catch(() => {}) // may have ended by now
      await untilEnded(test, run.id)
      return runRow(test, run.id)
    },
    /** A run that ended, once more; null when that is refused. */
    async retry() {
      const all = (await scheduledRuns(test)).slice(-4)
      const run = all[Math.floor(random() * all.length)]!
      try {
        const again = await runService(ctx).retry(session, run.id)
        await untilEnded(test, again.id)
        return runRow(test, again.id)
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        expect(error.errors).toMatchObject([{ code: 'CONFLICT' }])
        return null
      }
    },
    /** Members of the snapshot that the next increment is compared with. */
    async sent() {
      const [mapping] = await db.select().from(tables.segmentMappings)
      return mapping?.sentSnapshotId == null ? receiver.has() : membersOf(mapping.sentSnapshotId)
    },
    async fileOf({ id, status }: Row<'runs'>) {
      expect(status).toBe('SUCCESS')
      const [file] = await runStore(database).filesOf([id])
      const text = fs.readFileSync(path.join(test.exportRoot, file?.location ?? ''), 'utf8')
      const [, ...rows] = text.trimEnd().split('\r\n')
      return rows.map((row) => row.split(','))
    },
    async stop() {
      await Promise.all([runs.stop(), jobs.stop()])
      await test.dispose()
    },
  }
  const setPath = (to: string) =>
    database.batch([
      db
        .update(tables.destinations)
        .set({ settings: { path: to } })
        .where(eq(tables.destinations.id, destination.id)),
    ])
  await gateway.segment()
  await map('FIRST_FULL_THEN_INCREMENTAL')
  return gateway
}
