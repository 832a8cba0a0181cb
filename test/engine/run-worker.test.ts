import { createHash, randomUUID } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { eq } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { fileCheckpoint } from '../../src/engine/exporter.ts'
import { runWorker } from '../../src/engine/worker.ts'
import { rejectionStore } from '../../src/storage/rejection.ts'
import { runStore } from '../../src/storage/run.ts'
import { runCancel } from '../../src/storage/run-cancel.ts'
import { runLease } from '../../src/storage/run-lease.ts'
import { silent, type TestDatabase, testDatabase } from '../support/database.ts'
import { aQueuedRun, aSnapshot, csvFormat, runRow, untilEnded } from '../support/export-scene.ts'

let test: TestDatabase
const workers: { stop(): Promise<void> }[] = []
beforeEach(async () => {
  test = await testDatabase()
})
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.stop()
  await test.dispose()
})

function aWorker(concurrency = 2) {
  const processId = `proc_${randomUUID()}`
  void test.database.life.register(processId)
  const { database, ctx } = test
  const worker = runWorker({
    database,
    drivers: ctx.drivers,
    vault: ctx.vault,
    clock: ctx.clock,
    log: silent,
    processId,
    concurrency,
  })
  worker.start()
  workers.push(worker)
  return { worker, processId }
}
const people = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ email: `p${i}@example.com`, name: `Person ${i}` }))
const filesIn = (folder: string) => fs.readdirSync(path.join(test.exportRoot, folder)).sort()
const rejectionsOf = async (runId: string) => {
  const pages = await rejectionStore(test.database).pagesByRun([runId], { args: {}, maxPageSize: 100 })
  return pages.get(runId)!.rows
}
const read = (location: string) => fs.readFileSync(path.join(test.exportRoot, location))
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const types = (events: { type: string }[]) => events.map((event) => event.type)

describe('a run', () => {
  it('writes one whole file and its manifest, and tells its story in order', async () => {
    const run = await aQueuedRun(test, await aSnapshot(test, people(3)))
    aWorker()
    const events = await untilEnded(test, run.id)
    expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1))
    expect([events[0]?.type, events[1]?.type, events.at(-2)?.type, events.at(-1)?.type]).toEqual([
      'QUEUED',
      'STARTED',
      'FILE_DELIVERED',
      'SUCCEEDED',
    ])
    const ended = await runRow(test, run.id)
    expect(ended).toMatchObject({
      status: 'SUCCESS',
      phase: 'DONE',
      received: 3,
      exported: 3,
      excluded: 0,
      failed: 0,
      files: 1,
    })
    const [file] = await runStore(test.database).filesOf([run.id])
    const bytes = read(file!.location)
    expect(bytes.toString()).toBe(
      'email,name\r\np0@example.com,Person 0\r\np1@example.com,Person 1\r\np2@example.com,Person 2\r\n',
    )
    expect(file).toMatchObject({ rows: 3, bytes: bytes.length, sha256: sha256(bytes) })
    expect(filesIn('out')).toEqual([`${run.plan.fileName}.csv`, `${run.plan.fileName}.csv.manifest.json`])
    const manifest = JSON.parse(read(`${file!.location}.manifest.json`).toString())
    expect(manifest).toMatchObject({
      run: run.id,
      rows: 3,
      files: [{ name: `${run.plan.fileName}.csv`, rows: 3, sha256: file!.sha256 }],
    })
  })

  it('leaves nothing to wait for when its worker has stopped: a process would end that much later', async () => {
    const run = await aQueuedRun(test, await aSnapshot(test, people(3)))
    const { worker } = aWorker()
    await untilEnded(test, run.id)
    await worker.stop()
    const timeouts = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout')
    // Without a timer of its own; nothing short may be meant.
    for (const end = performance.now() + 2_000; timeouts().length > 0 && performance.now() < end; )
      await turn()
    expect(timeouts()).toEqual([])
  })

  it('writes an empty segment as a header', async () => {
    const run = await aQueuedRun(test, await aSnapshot(test, []))
    aWorker()
    await untilEnded(test, run.id)
    expect(read(`out/${run.plan.fileName}.csv`).toString()).toBe('email,name\r\n')
    expect(await runRow(test, run.id)).toMatchObject({ status: 'SUCCESS', received: 0 })
  })

  it('compresses, and splits after maxRowsPerFile rows with a header each', async () => {
    const fileFormat = { ...csvFormat, compression: 'GZIP' as const, maxRowsPerFile: 4_000 }
    const run = await aQueuedRun(test, await aSnapshot(test, people(9_000)), { fileFormat })
    aWorker()
    await untilEnded(test, run.id)
    const files = await runStore(test.database).filesOf([run.id])
    expect(files.map((file) => [file.name, file.rows])).toEqual([
      [`${run.plan.fileName}.csv.gz`, 4000],
      [`${run.plan.fileName}_2.csv.gz`, 4000],
      [`${run.plan.fileName}_3.csv.gz`, 1000],
    ])
    const seen: string[] = []
    for (const file of files) {
      const bytes = read(file.location)
      expect(sha256(bytes)).toBe(file.sha256)
      const rows = gunzipSync(bytes).toString().split('\r\n')
      expect([rows[0], rows.at(-1), rows.length - 2]).toEqual(['email,name', '', file.rows])
      seen.push(...rows.slice(1, -1))
    }
    expect(seen).toEqual(people(9_000).map(({ email, name }) => `${email},${name}`))
  })

  it('opens no part for nothing when the rows fill the last one exactly', async () => {
    const fileFormat = { ...csvFormat, maxRowsPerFile: 10 }
    const snapshot = await aSnapshot(test, [...people(20), { name: 'without an e-mail' }])
    const run = await aQueuedRun(test, snapshot, { fileFormat })
    aWorker()
    await untilEnded(test, run.id)
    expect((await runStore(test.database).filesOf([run.id])).map((file) => file.rows)).toEqual([10, 10])
  })

  it('counts every profile once: exported, excluded or failed, with the reason', async () => {
    const snapshot = await aSnapshot(test, [
      { email: 'a@x', name: 'A', agreed: true },
      { name: 'no e-mail', agreed: true },
      { email: 'b@x', name: 'no consent' },
      { email: 'a@x', name: 'A again', agreed: true },
      { email: 'c@x', name: ['list'], agreed: true },
      { email: 'd@x', name: 'D', agreed: true },
    ])
    const run = await aQueuedRun(test, snapshot, { deduplicateBy: ['email'], consentAttribute: 'agreed' })
    aWorker()
    await untilEnded(test, run.id)
    expect(await runRow(test, run.id)).toMatchObject({ received: 6, exported: 2, excluded: 3, failed: 1 })
    const rows = await rejectionsOf(run.id)
    expect(rows.map((row) => [row.reason, row.detail])).toEqual([
      ['MISSING_REQUIRED_FIELD', 'email'],
      ['NO_CONSENT', null],
      ['DUPLICATE', null],
      ['INVALID_VALUE', 'name holds a list or an object'],
    ])
  })

  it('never overwrites the file of another run: it adds its own id to a name that is taken', async () => {
    fs.mkdirSync(path.join(test.exportRoot, 'out'))
    fs.writeFileSync(path.join(test.exportRoot, 'out/same.csv'), 'theirs')
    const run = await aQueuedRun(test, await aSnapshot(test, people(1)), { fileName: 'same' })
    aWorker()
    await untilEnded(test, run.id)
    expect(filesIn('out')).toEqual(['same.csv', `same_${run.id}.csv`, `same_${run.id}.csv.manifest.json`])
    expect(read('out/same.csv').toString()).toBe('theirs')
  })

  it('replaces the last file of a static name', async () => {
    const snapshot = await aSnapshot(test, people(2))
    const plan = { fileName: 'static', isStaticName: true }
    aWorker()
    const first = await aQueuedRun(test, snapshot, plan)
    await untilEnded(test, first.id)
    const second = await aQueuedRun(test, await aSnapshot(test, people(1)), plan)
    await untilEnded(test, second.id)
    expect(filesIn('out')).toEqual(['static.csv', 'static.csv.manifest.json'])
    expect(read('out/static.csv').toString()).toBe('email,name\r\np0@example.com,Person 0\r\n')
  })
})

describe('a run that cannot be delivered', () => {
  it('fails at once with a sentence when the folder leads out of EXPORT_ROOT', async () => {
    fs.symlinkSync('/tmp', path.join(test.exportRoot, 'out'))
    const run = await aQueuedRun(test, await aSnapshot(test, people(1)))
    aWorker()
    const events = await untilEnded(test, run.id)
    expect(events.at(-1)).toMatchObject({ type: 'FAILED', message: expect.stringContaining('symbolic link') })
    expect((await runRow(test, run.id)).error).toMatchObject({ code: 'BAD_SETTINGS', retryable: false })
  })
})

describe('cancelling', () => {
  it('ends a processing run without a file', async () => {
    const run = await aQueuedRun(test, await aSnapshot(test, people(60_000)))
    aWorker()
    const stop = new AbortController()
    const { runFeed } = await import('../../src/engine/feed.ts')
    for await (const event of runFeed(test).events(run.id, 0, stop.signal))
      if (event.type === 'STARTED') break
    await test.database.batch(runCancel(test.database).processing(run.id, new Date()))
    const events = await untilEnded(test, run.id)
    expect(types(events).slice(-2)).toEqual(['CANCELLING', 'CANCELLED'])
    expect(fs.existsSync(path.join(test.exportRoot, 'out')) ? filesIn('out') : []).toEqual([])
  })
})

describe('the lease', () => {
  it('lets one of many workers have a run, and refuses the writes of a holder that was taken over', async () => {
    const run = await aQueuedRun(test, await aSnapshot(test, people(1)))
    const [mine, theirs] = [runLease(test.database, 'dead'), runLease(test.database, 'other')]
    await test.database.life.register('other')
    const now = new Date()
    const claimed = await mine.claim(now)
    expect(claimed?.id).toBe(run.id)
    // The process «dead» holds no lock, so its lease is void: at once, or as soon as it cannot be a lost connection.
    const again = await vi.waitUntil(() => theirs.claim(now), { timeout: 15_000, interval: 200 })
    expect(again).toMatchObject({ id: run.id, attempt: 2 })
    expect(await mine.claim(now)).toBeNull()
    const write = mine.end({ runId: run.id, fence: claimed!.fence }, { status: 'SUCCESS' }, now)
    await expect(write).rejects.toThrow('another state')
    expect((await runRow(test, run.id)).status).toBe('PROCESSING')
  })

  it('makes whoever takes over look again at the profiles after the checkpoint, rejected ones too', async () => {
    const attributes = [{ name: 'without an e-mail' }, ...people(3)]
    const run = await aQueuedRun(test, await aSnapshot(test, attributes))
    const lease = runLease(test.database, 'dead')
    const claimed = await lease.claim(new Date())
    const { profiles } = test.database.tables
    const all = await test.database.db.select({ id: profiles.id }).from(profiles)
    // Of what the dead worker refused, the second profile may leave now.
    await lease.reject(
      { runId: run.id, fence: claimed!.fence },
      all.slice(0, 2).map(({ id }) => ({ profileId: id, reason: 'MISSING_REQUIRED_FIELD', detail: 'email' })),
      new Date(),
    )
    aWorker()
    await untilEnded(test, run.id)
    expect(await runRow(test, run.id)).toMatchObject({ status: 'SUCCESS', exported: 3, excluded: 1 })
    const rows = await rejectionsOf(run.id)
    expect(rows).toHaveLength(1)
  })

  it('between living processes decides by time', async () => {
    await aQueuedRun(test, await aSnapshot(test, people(1)))
    await test.database.life.register('one')
    await test.database.life.register('two')
    const now = new Date()
    await runLease(test.database, 'one').claim(now)
    const other = runLease(test.database, 'two')
    expect(await other.claim(new Date(now.getTime() + 29_000))).toBeNull()
    expect(await other.claim(new Date(now.getTime() + 31_000))).not.toBeNull()
  })

  it('hands a run over when its worker stops, and the next one finishes it', async () => {
    const run = await aQueuedRun(test, await aSnapshot(test, people(120_000)), {
      fileFormat: { ...csvFormat, maxRowsPerFile: 10_000 },
    })
    const { worker } = aWorker()
    const stop = new AbortController()
    const { runFeed } = await import('../../src/engine/feed.ts')
    let progress = 0
    for await (const event of runFeed(test).events(run.id, 0, stop.signal))
      if (event.received > 20_000 && progress++ > 0) break
    await worker.stop()
    const between = await runRow(test, run.id)
    expect(between).toMatchObject({ status: 'PROCESSING', leaseOwner: null })
    expect(fileCheckpoint(between)?.parts.length).toBeGreaterThan(0)
    aWorker()
    const events = await untilEnded(test, run.id)
    expect(types(events)).toContain('RETRYING')
    expect(events.map((event) => event.received)).toEqual(
      events.map((event) => event.received).sort((a, b) => a - b),
    )
    const files = await runStore(test.database).filesOf([run.id])
    expect(files.reduce((sum, file) => sum + file.rows, 0)).toBe(120_000)
    expect(filesIn('out').filter((name) => name.endsWith('.part'))).toEqual([])
    for (const file of files) expect(sha256(read(file.location))).toBe(file.sha256)
  })
})

describe('erasing', () => {
  it('starts the file again without the profile', async () => {
    const run = await aQueuedRun(test, await aSnapshot(test, people(5)))
    const lease = runLease(test.database, 'gone')
    const claimed = await lease.claim(new Date())
    const { members } = test.database.tables
    const [first] = await test.database.db.select().from(members).limit(1)
    await test.database.batch([
      test.database.db.delete(members).where(eq(members.profileId, first!.profileId)),
    ])
    expect(claimed?.id).toBe(run.id)
    aWorker()
    await untilEnded(test, run.id)
    expect(await runRow(test, run.id)).toMatchObject({ total: 4, received: 4, exported: 4 })
  })
})
