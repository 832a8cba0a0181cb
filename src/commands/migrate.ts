import type { Config } from '../config.ts'
import { auditTrail, DONE } from '../storage/audit-trail.ts'
import { openDatabase } from '../storage/open.ts'
import { localActor } from './database.ts'
import { print, printJson } from './output.ts'

/** Brings the database up to date; creates it when there is none. */
export async function migrate(config: Config, options: { json?: boolean }): Promise<void> {
  const { trail, database } = auditTrail(openDatabase(config.databaseUrl), () => new Date())
  try {
    await database.migrate()
    await trail.append({ ...DONE, actor: localActor('migrate', null), change: null })
  } finally {
    await database.close()
  }
  if (options.json) printJson({ database: config.databaseUrl, migrated: true })
  else print(`${config.databaseUrl} is up to date`)
}
