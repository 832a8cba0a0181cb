// Drizzle's builders over the pool. Its own sessions wrap every failure into one that quotes the statement with all its
// values, and hides what failed.
import { DrizzleQueryError } from 'drizzle-orm/errors'
import { drizzle } from 'drizzle-orm/pg-proxy'
import type { Db } from './database.ts'
import type { Answer, Statement } from './postgres-pool.ts'

interface Session {
  prepareQuery(...args: unknown[]): { execute(values?: Record<string, unknown>): Promise<unknown> }
}

export function postgresDb(read: (statement: Statement) => Promise<Answer>): Db {
  const db = drizzle((sql, params) => read({ sql, params }))
  const session = db._.session as unknown as Session // typed by what only drizzle looks at
  const prepare = session.prepareQuery.bind(session)
  session.prepareQuery = (...args) => {
    const query = prepare(...args)
    const execute = query.execute.bind(query)
    query.execute = (values) =>
      execute(values).catch((error: unknown) => {
        throw error instanceof DrizzleQueryError ? error.cause : error
      })
    return query
  }
  return db as unknown as Db // the builders are named and chained alike: see kit.ts
}
