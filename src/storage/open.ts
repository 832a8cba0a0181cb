import type { Database } from './database.ts'
import { openPostgres, type PostgresOptions } from './postgres.ts'
import { openSqlite } from './sqlite.ts'

/**
 * Opens the database that a URL names: `file:PATH`, or `postgres://…` with TLS by its parameters.
 * @throws Error with a sentence for the operator
 */
export function openDatabase(url: string, options: PostgresOptions = {}): Database {
  return url.startsWith('file:') ? openSqlite(url.slice('file:'.length)) : openPostgres(url, options)
}
