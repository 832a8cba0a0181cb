import { randomUUID } from 'node:crypto'
import type { Config } from '../config.ts'
import { type CopiedTable, CopyRefused, copyDatabase } from '../storage/copy.ts'
import type { Database } from '../storage/database.ts'
import { openDatabase } from '../storage/open.ts'
import { requireDatabase } from './database.ts'
import { Failure } from './failure.ts'
import { count, note, print, printJson } from './output.ts'
import { type Progress, progress } from './progress.ts'

/** Copies the installation into a PostgreSQL database. Ended in the middle, the same call goes on. */
export async function copy(config: Config, to: string, options: { json?: boolean }): Promise<void> {
  if (!/^postgres(ql)?:\/\//.test(to))
    throw new Failure('Name the target as postgres://USER@HOST/DATABASE.', { exitCode: 2 })
  if (!config.databaseUrl.startsWith('file:')) {
    throw new Failure('DATABASE_URL is PostgreSQL already; pg_dump and pg_restore copy that.')
  }
  requireDatabase(config)
  const source = openDatabase(config.databaseUrl)
  const target = openDatabase(to)
  let tables: CopiedTable[]
  try {
    await source.migrate()
    await target.migrate()
    const isIdle = [await registered(source, 'the source'), await registered(target, 'the target')]
    for (const check of isIdle) await check()
    tables = await copied(source, target)
    for (const check of isIdle) await check()
  } finally {
    await Promise.all([source.close(), target.close()])
  }
  tell(tables, options)
}

/** Says that this process is there, too, so that two never copy at once. */
async function registered({ life }: Database, which: string): Promise<() => Promise<void>> {
  const id = `proc_${randomUUID()}`
  await life.register(id)
  return async () => {
    if (await life.isAlone(id)) return
    throw new Failure(`A gateway, a worker or another copy runs on ${which}. Stop it, then call this again.`)
  }
}

async function copied(source: Database, target: Database): Promise<CopiedTable[]> {
  let bar: Progress | undefined
  const onRows = (rows: number, total: number) => {
    bar ??= progress('copying', total)
    bar.update(rows, rows)
    if (rows === total) {
      bar.stop()
      note('comparing')
    }
  }
  try {
    return await copyDatabase({ source, target, onRows })
  } catch (error) {
    throw error instanceof CopyRefused ? new Failure(error.message) : error
  } finally {
    bar?.stop()
  }
}

function tell(tables: CopiedTable[], { json }: { json?: boolean }): void {
  if (json) {
    printJson({ tables })
    return
  }
  for (const { table, rows, checksum } of tables)
    print(`${table.padEnd(22)} ${count(rows).padStart(14)}  ${checksum}`)
  const rows = tables.reduce((sum, table) => sum + table.rows, 0)
  print(
    `${count(rows)} rows are the same in both. Set DATABASE_URL to the target; keep SECRETS_KEY, or secrets.key.`,
  )
}
