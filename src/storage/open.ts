import type { Database } from './database.ts'
import { openSqlite } from './sqlite.ts'

/**
 * Opens the database that a URL names: `file:PATH`.
 * @throws Error with a sentence for the operator
 */
export function openDatabase(url: string): Database {
  if (url.startsWith('file:')) return openSqlite(url.slice('file:'.length))
  throw new Error(
    'DATABASE_URL names a PostgreSQL database, which comes with a later version of the gateway. Use file:PATH, or leave DATABASE_URL unset.',
  )
}
