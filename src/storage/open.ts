import type { Database } from './database.ts'
import { openPostgres, type PostgresOptions } from './postgres.ts'
import { type CopyTarget, openPostgresCopyTarget } from './postgres-copy.ts'
import { openSqlite } from './sqlite.ts'
import { type CopySource, openSqliteCopySource } from './sqlite-copy.ts'

/**
 * Opens the database that a URL names: `file:PATH`, or `postgres://…` with TLS by its parameters.
 * @throws Error with a sentence for the operator
 */
export function openDatabase(url: string, options: PostgresOptions = {}): Database {
  return url.startsWith('file:') ? openSqlite(url.slice('file:'.length)) : openPostgres(url, options)
}

export type { CopySource, CopyTarget }

/** What a copy is read from. @throws CopyRefused when it is not up to date, or others write to it */
export const openCopySource = (databaseUrl: string): CopySource =>
  openSqliteCopySource(databaseUrl.slice('file:'.length))

/** What a copy is written into. @throws CopyRefused when it has other data */
export const openCopyTarget = openPostgresCopyTarget
