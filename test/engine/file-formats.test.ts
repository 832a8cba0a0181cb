// Files of every format, from profiles to what a recipient reads: through the worker, its thread and a driver.
import { createHash, randomUUID } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { zstdDecompressSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FileFormat, PlannedField } from '../../src/domain/model.ts'
import { fileCheckpoint } from '../../src/engine/exporter.ts'
import { runFeed } from '../../src/engine/feed.ts'
import { runWorker } from '../../src/engine/worker.ts'
import { rejectionStore } from '../../src/storage/rejection.ts'
import { runStore } from '../../src/storage/run.ts'
import { silent, type TestDatabase, testDatabase } from '../support/database.ts'
import { aQueuedRun, aSnapshot, csvFormat, runRow, untilEnded } from '../support/export-scene.ts'
import { parquetTable } from '../support/parquet.ts'
import { keyPair, openedWith } from '../support/pgp.ts'

let test: TestDatabase
let worker: { stop(): Promise<void> } | null = null
beforeEach(async () => {
  test = await testDatabase()
})
afterEach(async () => {
  await worker?.stop()
  worker = null
  await test.dispose()
})

const FIELDS: PlannedField[] = [
  { source: 'email', target: 'E-mail', required: true, type: 'STRING' },
  { source: 'spent.total', target: 'total', required: false, type: 'NUMBER' },
  { source: 'agreed', target: 'agreed', required: false, type: 'BOOLEAN' },
  { source: 'since', target: 'since', required: false, type: 'DATE_TIME' },
]
const people = (count: number) =>
  Array.from({ length: count }, (_, n) => ({
    email: `p${n}@example.com`,
    ...(n % 3 > 0 && { spent: { total: n / 2 } }),
    agreed: n % 2 === 0,
    since: '2026-01-02T03:04:05Z',
  }))
const rowsOf = (count: number, since: unknown) =>
  people(count).map((person) => ({
    'E-mail': person.email,
    total: person.spent?.total ?? null,
    agreed: person.agreed,
    since,
  }))

async function queued(profiles: Record<string, unknown>[], format: Partial<FileFormat>) {
  const fileFormat = { ...csvFormat, ...format }
  return aQueuedRun(test, await aSnapshot(test, profiles), { fileFormat, fields: FIELDS })
}
function startWorker() {
  const { database, ctx } = test
  const processId = `proc_${randomUUID()}`
  void database.life.register(processId)
  const { drivers, vault, clock } = ctx
  const started = runWorker({ database, drivers, vault, clock, log: silent, processId, concurrency: 1 })
  worker = started
  started.start()
}

/** Exports the profiles, and gives the files, with the manifest read. */
async function exported(profiles: Record<string, unknown>[], format: Partial<FileFormat>) {
  const run = await queued(profiles, format)
  startWorker()
  return outcome(run.id)
}
async function outcome(runId: string) {
  const { database } = test
  await untilEnded(test, runId)
  const ended = await runRow(test, runId)
  const rows = await runStore(database).filesOf([runId])
  const files = rows.map((row) => {
    const bytes = fs.readFileSync(path.join(test.exportRoot, row.location))
    expect(row).toMatchObject({
      bytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    })
    return { ...row, content: bytes }
  })
  const location = rows[0] && path.join(test.exportRoot, `${rows[0].location}.manifest.json`)
  const manifest = location ? JSON.parse(fs.readFileSync(location, 'utf8')) : null
  const pages = await rejectionStore(database).pagesByRun([runId], { args: {}, maxPageSize: 100 })
  return { run: ended, files, manifest, rejections: pages.get(runId)?.rows ?? [] }
}
const endings = (files: { name: string }[]) => files.map(({ name }) => name.replace(/^file_seg_[^_.]+/, ''))

describe('JSON lines', () => {
  it('are written in parts, compressed with zstd', async () => {
    const { files, manifest } = await exported(people(5_000), {
      type: 'JSON',
      compression: 'ZSTD',
      maxRowsPerFile: 2_000,
    })
    expect(endings(files)).toEqual(['.json.zst', '_2.json.zst', '_3.json.zst'])
    const lines = files.flatMap(({ content }) =>
      zstdDecompressSync(content).toString().split('\n').slice(0, -1),
    )
    expect(lines.map((line) => JSON.parse(line))).toEqual(rowsOf(5_000, '2026-01-02T03:04:05Z'))
    expect(manifest).toMatchObject({ format: { type: 'JSON', compression: 'ZSTD' }, rows: 5_000 })
  })

  it('are an empty file for an empty segment', async () => {
    const { run, files } = await exported([], { type: 'JSON' })
    expect(run.status).toBe('SUCCESS')
    expect(files.map(({ rows, bytes }) => [rows, bytes])).toEqual([[0, 0]])
  })
})

describe('CSV', () => {
  it('without names above it is an empty file for an empty segment', async () => {
    const { run, files } = await exported([], { header: false })
    expect(run.status).toBe('SUCCESS')
    expect(files.map(({ rows, bytes }) => [rows, bytes])).toEqual([[0, 0]])
  })
})

describe('Parquet', () => {
  it('is written in parts, each a whole file with the schema of the plan', async () => {
    const { files, manifest } = await exported(people(5_000), {
      type: 'PARQUET',
      compression: 'GZIP',
      maxRowsPerFile: 2_000,
    })
    expect(endings(files)).toEqual(['.parquet', '_2.parquet', '_3.parquet'])
    const tables = files.map(({ content }) => parquetTable(content))
    expect(tables.flatMap(({ rows }) => rows)).toEqual(rowsOf(5_000, Date.UTC(2026, 0, 2, 3, 4, 5)))
    for (const { columns } of tables) {
      expect(columns).toEqual(FIELDS.map(({ target, type }) => ({ name: target, type, nullable: true })))
    }
    expect(manifest.columns).toEqual(FIELDS.map(({ target, ...field }) => ({ name: target, ...field })))
  })

  it('goes without what does not fit its columns, and tells which profile that was, and why', async () => {
    const { run, files, rejections } = await exported(
      [
        ...people(2),
        { email: 'odd@example.com', spent: { total: 'much' } },
        { email: 'list', agreed: [true] },
      ],
      { type: 'PARQUET' },
    )
    expect(run).toMatchObject({ status: 'SUCCESS', received: 4, exported: 2, failed: 2 })
    expect(rejections.map(({ reason, detail }) => [reason, detail])).toEqual([
      ['INVALID_VALUE', 'total holds no number'],
      ['INVALID_VALUE', 'agreed holds neither true nor false'],
    ])
    expect(parquetTable(files[0]!.content).rows).toHaveLength(2)
  })
})

describe('encryption', () => {
  it('is to the recipient of the plan, part by part, and the manifest names the key', async () => {
    const { publicKey, privateKey, fingerprint } = await keyPair()
    const { files, manifest } = await exported(people(3_000), {
      type: 'JSON',
      compression: 'ZSTD',
      maxRowsPerFile: 2_000,
      publicKey,
    })
    expect(endings(files)).toEqual(['.json.zst.pgp', '_2.json.zst.pgp'])
    const opened = await Promise.all(files.map(({ content }) => openedWith(privateKey, content)))
    const lines = opened.flatMap((packed) => zstdDecompressSync(packed).toString().split('\n').slice(0, -1))
    expect(lines.map((line) => JSON.parse(line))).toEqual(rowsOf(3_000, '2026-01-02T03:04:05Z'))
    expect(manifest.encryption).toEqual({ scheme: 'OPENPGP', fingerprint, keyId: fingerprint.slice(-16) })
    expect(JSON.stringify(manifest)).not.toContain('PGP PUBLIC KEY')
  })

  it('goes on where another worker stopped, with whole files of the same schema', async () => {
    const { publicKey, privateKey } = await keyPair()
    const format = { type: 'PARQUET', maxRowsPerFile: 5_000, publicKey } as const
    const run = await queued(people(60_000), format)
    startWorker()
    for await (const event of runFeed(test).events(run.id, 0, AbortSignal.timeout(20_000))) {
      if (event.received > 10_000) break
    }
    await worker?.stop()
    const stopped = fileCheckpoint(await runRow(test, run.id))?.parts ?? []
    expect(stopped.length).toBeGreaterThan(0)
    startWorker()
    const { files, run: ended } = await outcome(run.id)
    expect([ended.status, files.length]).toEqual(['SUCCESS', 12])
    expect(files.slice(0, stopped.length)).toMatchObject(stopped.map(({ sha256 }) => ({ sha256 })))
    const opened = await Promise.all(files.map(({ content }) => openedWith(privateKey, content)))
    const tables = opened.map(parquetTable)
    expect(new Set(tables.map(({ columns }) => JSON.stringify(columns))).size).toBe(1)
    expect(tables.flatMap(({ rows }) => rows.map((row) => row['E-mail']))).toEqual(
      people(60_000).map(({ email }) => email),
    )
  })

  it('to a key that has expired since fails at once, and says what to do', async () => {
    const { publicKey } = await keyPair({ date: new Date('2020-01-01'), keyExpirationTime: 60 })
    const { run, files } = await exported(people(1), { publicKey })
    expect(run).toMatchObject({
      status: 'FAILED',
      attempt: 1,
      error: { code: 'BAD_SETTINGS', retryable: false },
    })
    expect(run.error?.message).toContain('Store a newer one')
    expect(files).toEqual([])
    expect(fs.readdirSync(path.join(test.exportRoot, 'out'))).toEqual([])
  })
})
