import type { Config } from '../config.ts'
import { openDatabase } from '../storage/open.ts'
import { print, printJson } from './output.ts'

/** Brings the database up to date; creates it when there is none. */
export async function migrate(config: Config, options: { json?: boolean }): Promise<void> {
  const database = openDatabase(config.databaseUrl)
  try {
    await database.migrate()
  } finally {
    await database.close()
  }
  if (options.json) printJson({ database: config.databaseUrl, migrated: true })
  else print(`${config.databaseUrl} is up to date`)
}
