import { eq } from 'drizzle-orm'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { auditService } from '../../src/services/audit.ts'
import { auditStore } from '../../src/storage/audit.ts'
import { CUT } from '../../src/storage/audit-line.ts'
import { type AuditEntry, auditTrail, DONE } from '../../src/storage/audit-trail.ts'
import { type Database, StaleWrite } from '../../src/storage/database.ts'
import { asDeed, note } from '../../src/storage/deed.ts'
import { openDatabase } from '../../src/storage/open.ts'
import { silent, type TestDatabase, testDatabase } from '../support/database.ts'

let test: TestDatabase
const others: Database[] = []
beforeEach(async () => {
  test = await testDatabase()
})
afterEach(async () => {
  for (const other of others.splice(0)) await other.close()
  await test.dispose()
})

const clock = () => new Date('2026-11-23T10:00:00Z')
const actor = (name = 'somebody') => ({
  session: { tokenId: 'tok_1', name, sandbox: { id: test.sandboxId } },
  operation: 'createSegment',
  requestId: 'r',
})
const entry = (name?: string): AuditEntry => ({ ...DONE, actor: actor(name), change: null })
/** A connection of its own to the same file, as another process has one. */
const another = () => {
  const other = openDatabase(test.url)
  others.push(other)
  return other
}
const audit = (database = test.database) => {
  const { trail } = auditTrail(database, clock)
  return { trail, service: auditService({ database, trail, log: silent }) }
}
const lines = () => auditStore(test.database).linesAfter(0, 10_000)
const token = (id: string) => test.database.db.update(test.database.tables.apiTokens).set({ name: id })
/** Around the trail, as somebody who can write to the database. */
const tamper = (
  sql: (tables: Database['tables'], db: Database['db']) => Parameters<Database['batch']>[0][0],
) => test.database.batch([sql(test.database.tables, test.database.db)])

it('two processes append at once: every line is there, and the chain holds', async () => {
  const [one, two] = [audit(another()), audit(another())]
  const jobs = Array.from({ length: 100 }, (_, index) => [
    one.trail.write([token('a')], entry(`one ${index}`)),
    two.trail.append(entry(`two ${index}`)),
  ])
  await Promise.all(jobs.flat())
  const written = await lines()
  expect(written.map(({ seq }) => seq)).toEqual(Array.from({ length: 200 }, (_, index) => index + 1))
  expect(new Set(written.map(({ tokenName }) => tokenName)).size).toBe(200)
  expect(await one.service.verify()).toMatchObject({ lines: 200, broken: null })
})

it('is written with the change or not at all', async () => {
  const { trail, database } = auditTrail(test.database, clock)
  const { sandboxes } = database.tables
  const rename = (id: string, title: string) => ({
    query: database.db.update(sandboxes).set({ title }).where(eq(sandboxes.id, id)),
    expect: 1,
  })
  await asDeed(
    actor(),
    async () => {
      note('sandbox', 'absent', { before: { title: 'a' }, after: { title: 'b' } })
      await expect(database.batch([rename('absent', 'b')])).rejects.toThrow(StaleWrite)
      expect(await lines()).toEqual([])
      note('sandbox', test.sandboxId, { before: { title: 'a' }, after: { title: 'b' } })
      expect(await database.batch([rename(test.sandboxId, 'b')])).toEqual([1])
      await database.batch([rename(test.sandboxId, 'c')]) // noted once, written once
    },
    async ({ lines: count }) => expect(count).toBe(1),
  )
  expect(await lines()).toMatchObject([
    { targetType: 'sandbox', targetId: test.sandboxId, before: '{"title":"a"}', after: '{"title":"b"}' },
  ])
  expect(trail).toBeDefined()
})

it('shows every way in which a line may be changed, put in or taken out', async () => {
  const { trail, service } = audit()
  for (let index = 0; index < 12; index += 1) await trail.append(entry(`n ${index}`))
  const original = await lines()
  const columns = Object.keys(original[0] ?? {})
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 2, max: 11 }), fc.constantFrom(...columns), async (seq, column) => {
      const line = original[seq - 1]
      if (!line) throw new Error('no such line')
      const value = line[column as keyof typeof line]
      const other = column === 'seq' ? 1_000 : column === 'at' ? new Date(0) : value === 'x' ? 'y' : 'x'
      await tamper((t, db) =>
        db
          .update(t.auditLog)
          .set({ [column]: other })
          .where(eq(t.auditLog.seq, seq)),
      )
      expect((await service.verify()).broken, column).not.toBeNull()
      const back = column === 'seq' ? 1_000 : seq
      await tamper((t, db) => db.update(t.auditLog).set(line).where(eq(t.auditLog.seq, back)))
      expect((await service.verify()).broken).toBeNull()
    }),
    { numRuns: 60 },
  )
  await tamper((t, db) => db.delete(t.auditLog).where(eq(t.auditLog.seq, 5)))
  expect((await service.verify()).broken).toEqual({ seq: 6, problem: 'MISSING' })
})

it('is checked after its old end was cut, and shows a cut that nobody has written down', async () => {
  const { trail, service } = audit()
  const store = auditStore(test.database)
  for (let index = 0; index < 10; index += 1) await trail.append(entry(`n ${index}`))
  const place = await store.lastBefore(new Date('2026-11-24'))
  expect(place?.seq).toBe(9) // the newest stays: the next line hangs on it
  if (!place) return
  await test.database.batch([store.deleteUpTo(4, 100)])
  expect((await service.verify()).broken).toEqual({ seq: 5, problem: 'CUT' })
  const after = JSON.stringify({ upToSeq: 9, upToHash: place.hash })
  await trail.append({
    ...DONE,
    actor: { ...actor(), operation: CUT },
    change: { id: '9', type: 'auditLog', after },
  })
  expect((await service.verify()).broken).toBeNull() // on the way
  await test.database.batch([store.deleteUpTo(9, 3)])
  expect(await service.verify()).toMatchObject({ lines: 4, broken: null })
  await test.database.batch([store.deleteUpTo(9, 100)])
  expect(await service.verify()).toMatchObject({ lines: 2, broken: null, oldest: { seq: 9 } })
  await test.database.batch([store.deleteUpTo(10, 100)])
  expect((await service.verify()).broken).toEqual({ seq: 11, problem: 'CUT' })
})

it('gives up on a log that cannot be written, and goes on when it can again', async () => {
  const full = { ...test.database, batch: () => Promise.reject(new Error('disk')) }
  const { trail } = auditTrail(full, clock)
  await expect(trail.append(entry())).rejects.toThrow('disk')
  full.batch = test.database.batch as never
  await trail.append(entry())
  expect(await lines()).toHaveLength(1)
})
