import fs from 'node:fs'
import path from 'node:path'
import type { Config } from '../config.ts'
import { openDatabase } from '../storage/open.ts'
import { requireDatabase } from './database.ts'
import { Failure } from './failure.ts'
import { print, printJson, size } from './output.ts'

/** Writes an online, consistent copy of the database to a file that does not exist yet. */
export async function backup(config: Config, file: string, options: { json?: boolean }): Promise<void> {
  const source = requireDatabase(config)
  const target = path.resolve(file)
  if (fs.existsSync(target)) throw new Failure(`${target} exists. Name a file that does not.`)
  if (!fs.existsSync(path.dirname(target))) {
    throw new Failure(`There is no folder ${path.dirname(target)}. Create it, or name another file.`)
  }
  process.umask(0o077) // the copy holds what the database holds
  const database = openDatabase(config.databaseUrl)
  try {
    await database.backup(target)
  } finally {
    await database.close()
  }
  const bytes = fs.statSync(target).size
  if (options.json) printJson({ file: target, bytes })
  else
    print(
      `${target}: ${size(bytes)}. To restore: stop the gateway, put it in place of ${source}, and delete ${source}-wal and ${source}-shm.`,
    )
}
