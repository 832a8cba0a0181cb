import fs from 'node:fs'
import path from 'node:path'
import type { Readable } from 'node:stream'
import type { Config } from '../config.ts'
import { importAbout, importProfiles, importSummary } from '../services/import.ts'
import { withDatabase } from './database.ts'
import { Failure } from './failure.ts'
import { count, note, print, printJson, programCall } from './output.ts'
import { progress } from './progress.ts'
import { rejectedFile } from './rejected-file.ts'
import { stopSignal } from './signals.ts'

type Format = 'csv' | 'ndjson'
export interface ImportOptions {
  key: string
  sandbox: string
  format?: Format
  json?: boolean
}

/**
 * Streams a file, or `-` for stdin, into the profiles of a sandbox. Rows that cannot be used are written beside the
 * file and do not stop the rest. Interrupted, it ends after the batch in hand.
 */
export async function importFile(config: Config, file: string, options: ImportOptions): Promise<void> {
  const isStdin = file === '-'
  const stats = isStdin ? null : statOf(file)
  const format = options.format ?? formatOf(file) ?? (await sniff(isStdin ? process.stdin : head(file)))
  const rejects = rejectedFile(path.resolve(isStdin ? 'import' : file), (name, reason) =>
    note(`Rejected rows are counted but not kept: ${name} cannot be written (${reason}).`),
  )
  const bar = progress(isStdin ? 'stdin' : path.basename(file), stats?.isFile() ? stats.size : null)
  const stop = stopSignal(() => note('Stopping after this batch.'))
  try {
    const result = await withDatabase(config, options.sandbox, 'import', ({ ctx, session, audit, actor }) =>
      audit.throughout(
        actor,
        importAbout(options.key),
        () =>
          importProfiles({
            database: ctx.database,
            sandboxId: session.sandbox.id,
            key: options.key,
            format,
            input: isStdin ? process.stdin : file,
            signal: stop.signal,
            onProgress: ({ bytes, rows }) => bar.update(bytes, rows),
            onRejected: rejects.add,
          }),
        importSummary,
      ),
    )
    bar.stop()
    const { inserted, updated, rejected } = result
    if (options.json) printJson({ ...result, rejectedTo: rejects.file() })
    else print(`${count(inserted)} inserted, ${count(updated)} updated, ${count(rejected)} rejected`)
    if (result.interrupted) {
      throw new Failure('Stopped before the end; what is counted is imported. Run it again for all of it.')
    }
  } finally {
    bar.stop()
    stop.dispose()
    rejects.close()
    if (rejects.file()) note(`The rejected rows, each with its reason, are in ${rejects.file()}`)
  }
}

function statOf(file: string): fs.Stats {
  const stats = fs.statSync(file)
  if (stats.isDirectory()) throw new Failure(`${file} is a folder. Name a file.`)
  return stats
}

function formatOf(file: string): Format | null {
  const extension = path.extname(file).toLowerCase()
  if (['.csv', '.tsv', '.txt'].includes(extension)) return 'csv'
  if (['.ndjson', '.jsonl'].includes(extension)) return 'ndjson'
  if (['.gz', '.zst'].includes(extension)) {
    const unpack = extension === '.gz' ? 'gunzip -c' : 'zstd -dc'
    throw new Failure(
      `${file} is compressed. Unpack it on the way: ${unpack} ${file} | ${programCall('import - …')}`,
    )
  }
  if (extension === '.parquet') {
    throw new Failure(
      'Parquet files cannot be read in this version. Convert it to CSV or NDJSON, then import that.',
    )
  }
  return null
}

const head = (file: string): Readable => fs.createReadStream(file, { end: 1023 })

/** NDJSON begins with a brace, a header row hardly does. Gives the bytes back to the stream. */
async function sniff(input: Readable): Promise<Format> {
  for await (const chunk of input.iterator({ destroyOnReturn: false })) {
    input.unshift(chunk)
    return String(chunk)
      .replace(/^\uFEFF/, '')
      .trimStart()
      .startsWith('{')
      ? 'ndjson'
      : 'csv'
  }
  return 'csv'
}
