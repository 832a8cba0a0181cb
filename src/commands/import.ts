import fs from 'node:fs'
import path from 'node:path'
import type { Readable } from 'node:stream'
import type { Config } from '../config.ts'
import { importProfiles } from '../services/import.ts'
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
  const known = options.format ?? formatOf(file)
  const { input, bytes } = await openInput(file)
  const format = known ?? (await sniff(input))
  const rejects = rejectedFile(file === '-' ? path.resolve('import') : path.resolve(file))
  const bar = progress(file === '-' ? 'stdin' : path.basename(file), bytes)
  const stop = stopSignal(() => note('Stopping after this batch.'))
  try {
    const result = await withDatabase(config, options.sandbox, ({ ctx, session }) =>
      importProfiles({
        database: ctx.database,
        sandboxId: session.sandbox.id,
        key: options.key,
        format,
        input,
        signal: stop.signal,
        onProgress: ({ bytes: done, rows }) => bar.update(done, rows),
        onRejected: rejects.add,
      }),
    )
    bar.stop()
    const rejectedTo = rejects.close()
    const { inserted, updated, rejected } = result
    if (options.json) printJson({ ...result, rejectedTo, interrupted: stop.signal.aborted })
    else print(`${count(inserted)} inserted, ${count(updated)} updated, ${count(rejected)} rejected`)
    if (rejectedTo) note(`The rejected rows, each with its reason, are in ${rejectedTo}.`)
    if (stop.signal.aborted) {
      throw new Failure(
        'Stopped before the end. What is counted above is imported; run it again for the rest.',
      )
    }
  } finally {
    bar.stop()
    rejects.close()
    stop.dispose()
    input.destroy()
  }
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

/** NDJSON begins with a brace, a header row hardly does. Gives the bytes back to the stream. */
async function sniff(input: Readable): Promise<Format> {
  for await (const chunk of input.iterator({ destroyOnReturn: false })) {
    input.unshift(chunk)
    return String(chunk).trimStart().startsWith('{') ? 'ndjson' : 'csv'
  }
  return 'csv'
}

async function openInput(file: string): Promise<{ input: Readable; bytes: number | null }> {
  if (file === '-') return { input: process.stdin, bytes: null }
  const handle = await fs.promises.open(file)
  const stat = await handle.stat()
  if (stat.isDirectory()) {
    await handle.close()
    throw new Failure(`${file} is a folder. Name a file.`)
  }
  return { input: handle.createReadStream(), bytes: stat.isFile() ? stat.size : null }
}
