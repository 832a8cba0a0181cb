// Streams a file of profiles into a sandbox, with memory that does not grow with the file.
import { setImmediate as yieldToOthers } from 'node:timers/promises'
import { Refusal } from '../domain/errors.ts'
import { checkSafePath, normalizeName } from '../domain/text.ts'
import { type AttributeType, typeOf } from '../domain/value-type.ts'
import type { ProfilePatch } from '../storage/capabilities.ts'
import type { Database } from '../storage/database.ts'
import { profileStore } from '../storage/profile.ts'
import { csvKinds, csvPatches, type PatchBlock } from './import-csv.ts'
import { readLayout } from './import-layout.ts'
import { ndjsonPatches } from './import-ndjson.ts'
import type { RejectedRow } from './import-records.ts'
import { type ImportInput, openSource, type Source } from './import-source.ts'

export interface ImportOptions {
  database: Database
  sandboxId: string
  /** The attribute that identifies a profile, e.g. customer_id; a dotted path. */
  key: string
  format: 'csv' | 'ndjson'
  /** A path, or a stream. CSV is read twice: a stream of it is put aside in a temporary file first. */
  input: ImportInput
  /** Folder for the temporary file; the system's by default. */
  spoolDir?: string | undefined
  onProgress?: ((progress: ImportProgress) => void) | undefined
  onRejected?: ((row: RejectedRow) => void) | undefined
  /** Stops between batches; what was written stays. */
  signal?: AbortSignal | undefined
}
export interface ImportProgress {
  /** Share of the work, in bytes of the file; while a stream is put aside, the bytes received. */
  bytes: number
  /** Null while a stream is still coming in. */
  totalBytes: number | null
  /** Rows written or rejected so far. */
  rows: number
}
export interface ImportResult {
  inserted: number
  updated: number
  rejected: number
  /** Stopped by the signal: what is counted is written, the rest is not. */
  interrupted: boolean
  /** Type null: no row has a value there. Empty when interrupted. */
  columns: { path: string; type: AttributeType | null }[]
}
type Column = ImportResult['columns'][number]

/** What the audit log says that an import is about, and of its end. */
export const importAbout = (key: string) => ({ type: 'profile' as const, id: key.slice(0, 100) })
export function importSummary({ inserted, updated, rejected, interrupted }: ImportResult) {
  return { after: { inserted, updated, rejected }, isInterrupted: interrupted }
}

const BATCH_ROWS = 2_000
/** Characters: rows may be a megabyte each. */
const BATCH_SIZE = 4 * 1024 * 1024
/** How much of the work of a CSV file is finding out types. */
const TYPING_SHARE = 0.35

/**
 * Imports a CSV file (header line; comma, semicolon or tab) or NDJSON as merge patches by key: blank cells and
 * nulls remove a value, attributes that the file does not name stay. Bad rows are handed to `onRejected` and do
 * not stop the others.
 * @throws Refusal when the key or the header cannot be used; then nothing was written
 */
export async function importProfiles(options: ImportOptions): Promise<ImportResult> {
  const key = checkedKey(options.key)
  const counts: Counts = { inserted: 0, updated: 0, rejected: 0 }
  try {
    const columns = await importFrom(options, key, counts)
    return { ...counts, interrupted: false, columns }
  } catch (error) {
    if (options.signal?.aborted) return { ...counts, interrupted: true, columns: [] }
    throw error
  }
}

type Counts = Pick<ImportResult, 'inserted' | 'updated' | 'rejected'>

async function importFrom(options: ImportOptions, key: string, counts: Counts): Promise<Column[]> {
  const { database, sandboxId, format, onProgress, signal } = options
  signal?.throwIfAborted()
  const source = await openSource({
    input: options.input,
    isReadAgain: format === 'csv',
    spoolDir: options.spoolDir,
    signal,
    onSpooled: (bytes) => onProgress?.({ bytes, totalBytes: null, rows: 0 }),
  })
  try {
    const run = format === 'csv' ? await csvImport(source, key, options) : ndjsonImport(source, key)
    const namespaceId = await profileStore(database).ensureNamespace(sandboxId, key)
    // Where types are known before the first row, whoever sees the values knows that they disagreed.
    await writeHints(options, run.columns())
    await write({ ...options, source, namespaceId, run, counts })
    const columns = run.columns()
    if (format === 'ndjson') await writeHints(options, columns)
    return columns
  } finally {
    await source.close()
  }
}

interface Run {
  /** Share of the work that is done before the patches are read. */
  doneShare: number
  columns(): Column[]
  patches(onBytes: (bytes: number) => void): AsyncGenerator<PatchBlock>
}

async function csvImport(source: Source, key: string, options: ImportOptions): Promise<Run> {
  const { onProgress, signal } = options
  const layout = await readLayout(source, key)
  const kinds = await csvKinds({
    chunks: source.read((bytes) => {
      signal?.throwIfAborted()
      onProgress?.({ bytes: Math.floor(bytes * TYPING_SHARE), totalBytes: source.size, rows: 0 })
    }),
    layout,
  })
  const columns = layout.paths.map((path, index) => ({ path, type: typeOf(kinds[index] ?? 0) }))
  return {
    doneShare: TYPING_SHARE,
    columns: () => columns,
    patches: (onBytes) => csvPatches(source.read(onBytes), layout, kinds),
  }
}

function ndjsonImport(source: Source, key: string): Run {
  const kinds = new Map<string, number>()
  return {
    doneShare: 0,
    columns: () => [...kinds].map(([path, found]) => ({ path, type: typeOf(found) })),
    patches: (onBytes) => ndjsonPatches(source.read(onBytes), key, kinds),
  }
}

async function write(
  options: ImportOptions & { source: Source; namespaceId: number; run: Run; counts: Counts },
): Promise<void> {
  const { database, sandboxId, source, namespaceId, run, counts, signal } = options
  const changed = profileStore(database).changed(sandboxId)
  let bytes = 0
  let batch: ProfilePatch[] = []
  let size = 0
  let written: Promise<void> = Promise.resolve()
  const flush = async () => {
    await written
    signal?.throwIfAborted()
    const patches = batch
    batch = []
    size = 0
    // Written while the next rows are read: the database may have a core of its own.
    written = upsert(patches, bytes)
    written.catch(() => {}) // told by whoever waits for it
    await yieldToOthers()
  }
  const upsert = async (patches: ProfilePatch[], upTo: number) => {
    if (patches.length > 0) {
      const { inserted, updated } = await database.upsertProfiles(namespaceId, patches, [changed])
      counts.inserted += inserted
      counts.updated += updated
    }
    const done = run.doneShare * (source.size ?? 0) + (1 - run.doneShare) * upTo
    const rows = counts.inserted + counts.updated + counts.rejected
    options.onProgress?.({ bytes: Math.floor(done), totalBytes: source.size, rows })
  }
  const blocks = run.patches((read) => {
    bytes = read
  })
  try {
    for await (const { patches, rejected } of blocks) {
      counts.rejected += rejected.length
      for (const row of rejected) options.onRejected?.(row)
      for (const patch of patches) {
        batch.push(patch)
        size += patch.patch.length
        if (batch.length === BATCH_ROWS || size > BATCH_SIZE) await flush()
      }
    }
    await flush()
  } finally {
    await written // also what is under way when another thing fails is counted
  }
}

async function writeHints({ database, sandboxId }: ImportOptions, columns: Column[]): Promise<void> {
  const writes = profileStore(database).hints(sandboxId, columns)
  if (writes.length > 0) await database.batch(writes)
}

function checkedKey(value: string): string {
  const key = normalizeName(value)
  const errors = checkSafePath(key, ['key'], 'The key')
  if (errors.length > 0) throw new Refusal(errors)
  return key
}
