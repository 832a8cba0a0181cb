import type { Config } from '../config.ts'
import { outageIn } from '../domain/errors.ts'
import { auditTrail, DONE } from '../storage/audit-trail.ts'
import { type CopiedTable, type CopyOptions, copyAll } from '../storage/copy.ts'
import { CopyRefused } from '../storage/copy-shape.ts'
import { openCopySource, openCopyTarget, openDatabase } from '../storage/open.ts'
import { localActor, registered, requireDatabase } from './database.ts'
import { Failure } from './failure.ts'
import { columns, count, note, print, printJson } from './output.ts'
import { type Progress, progress } from './progress.ts'
import { stopSignal } from './signals.ts'

/** Copies the installation into a PostgreSQL database. Ended in the middle, however, the same call goes on. */
export async function copy(config: Config, to: string, options: { json?: boolean }): Promise<void> {
  if (!/^postgres(ql)?:\/\/./.test(to)) {
    throw new Failure('Name the target as postgres://USER@HOST/DATABASE.', { exitCode: 2 })
  }
  if (!config.databaseUrl.startsWith('file:')) {
    throw new Failure('DATABASE_URL is PostgreSQL already; pg_dump and pg_restore copy that.', {
      exitCode: 2,
    })
  }
  requireDatabase(config)
  const stop = stopSignal(() => note('Stopping after this page.'))
  try {
    tell(config, await copied(config, to, stop.signal), options)
  } catch (error) {
    throw failureOf(error, stop.signal)
  } finally {
    stop.dispose()
  }
}

async function copied(config: Config, to: string, signal: AbortSignal): Promise<CopiedTable[]> {
  const gateway = openDatabase(config.databaseUrl)
  const shown = phases()
  try {
    const isAlone = await registered(gateway)
    await requireAlone(isAlone)
    const source = openCopySource(config.databaseUrl)
    try {
      const target = await openCopyTarget(to, source.installation)
      try {
        const tables = await copyAll({ source, target, signal, onRows: shown.update })
        await requireAlone(isAlone)
        await finish(to, target)
        return tables
      } finally {
        await target.close()
      }
    } finally {
      source.close()
    }
  } finally {
    shown.stop()
    await gateway.close()
  }
}

async function requireAlone(isAlone: () => Promise<boolean>): Promise<void> {
  if (await isAlone()) return
  throw new Failure(
    'A gateway, a worker or another copy runs on this database. Stop it, then call this again.',
  )
}

/** From here on a gateway may start on the target; its audit log says where its data came from. */
async function finish(to: string, { finishing }: CopyOptions['target']): Promise<void> {
  const database = openDatabase(to)
  try {
    const { trail } = auditTrail(database, () => new Date())
    await trail.write([finishing()], { ...DONE, actor: localActor('copy', null), change: null })
  } finally {
    await database.close()
  }
}

/** A bar for each phase. */
function phases(): { update: CopyOptions['onRows']; stop(): void } {
  let now: { phase: string; bar: Progress } | undefined
  return {
    update(phase, rows, total) {
      if (now?.phase !== phase) {
        now?.bar.stop()
        now = { phase, bar: progress(phase, total) }
      }
      now.bar.update(rows, rows)
    },
    stop: () => now?.bar.stop(),
  }
}

function failureOf(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return new Failure('Stopped before the end. Call it again to go on.')
  if (error instanceof CopyRefused) return new Failure(error.message)
  const outage = outageIn(error)
  if (!outage) return error
  return new Failure(
    `${outage.message.replace('DATABASE_URL', 'the target')} Call it again then: the copy goes on where it stood.`,
  )
}

function tell(config: Config, tables: CopiedTable[], { json }: { json?: boolean }): void {
  const rows = tables.reduce((sum, table) => sum + table.rows, 0)
  if (json) printJson({ rows, tables })
  else {
    for (const line of columns(tables.map((table) => [table.table, table.rows, table.checksum]))) print(line)
    print(`${count(rows)} rows are the same in both.`)
  }
  note('Set DATABASE_URL to the target, and start no gateway on the file any more. Take along:')
  note(
    config.secretsKey === null
      ? `  ${config.dataDir}/secrets.key, on every machine, or what it holds as SECRETS_KEY: secrets are copied as they are sealed`
      : '  SECRETS_KEY, on every machine: secrets are copied as they are sealed',
  )
  note(
    `  ${config.exportRoot}, which all workers must share as EXPORT_ROOT where files are written to folders`,
  )
}
