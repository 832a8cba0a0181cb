// The PostgreSQL dialect: a pool of connections for what is short, and some beside it for what takes long.
import { PgDialect } from 'drizzle-orm/pg-core'
import { Unavailable } from '../domain/errors.ts'
import type { RawRow } from './capabilities.ts'
import type { Database } from './database.ts'
import { filler } from './placeholders.ts'
import { postgresAside } from './postgres-aside.ts'
import { postgresAttributes } from './postgres-attributes.ts'
import { postgresBatch } from './postgres-batch.ts'
import { postgresClaim } from './postgres-claim.ts'
import { postgresDb } from './postgres-db.ts'
import { READ_ONLY, violatedTable } from './postgres-errors.ts'
import { postgresFirstOfEach } from './postgres-first-of-each.ts'
import { postgresJson } from './postgres-json.ts'
import { postgresLife } from './postgres-life.ts'
import { migratePostgres } from './postgres-migrate.ts'
import { ask, clientConfig, connectionPool, type Statement, withClient } from './postgres-pool.ts'
import { postgresProfileUpsert } from './postgres-profiles.ts'
import { postgresSession } from './postgres-session.ts'
import { postgresWake } from './postgres-wake.ts'
import { tables } from './schema.postgres.ts'

const STATEMENT_TIMEOUT_MS = 30_000
/** Imports one after the other: each is bound by the disk. */
const IMPORT_CONNECTIONS = 2
const SLICE_MS = 150
const dialect = new PgDialect()

export interface PostgresOptions {
  /** Connections for what is short; a few more are opened for imports, long reads and wake-ups. */
  poolSize?: number
}

export function openPostgres(url: string, { poolSize = 10 }: PostgresOptions = {}): Database {
  const statementTimeoutMs = STATEMENT_TIMEOUT_MS
  const pool = connectionPool({ url, size: poolSize, statementTimeoutMs, pipeline: true })
  const imports = connectionPool({ url, size: IMPORT_CONNECTIONS, statementTimeoutMs })
  const aside = postgresAside(url)
  const session = postgresSession(clientConfig(url, statementTimeoutMs))
  const wake = postgresWake(session)
  const upsert = postgresProfileUpsert(imports)
  const attributes = postgresAttributes(url)
  const read = ({ sql, params, isPrepared = false }: Statement) =>
    withClient(pool, (client) => ask(client, { sql, params: params.map(readable), isPrepared }))

  return {
    db: postgresDb(read),
    tables: tables as unknown as Database['tables'],
    wake,
    json: postgresJson,
    sliceMs: SLICE_MS,
    batch: (writes) => postgresBatch(pool, writes),
    prepare: (query, where = 'here') => {
      const { sql, params } = dialect.sqlToQuery(query)
      const fill = filler(params)
      if (where === 'aside') return (values) => aside.read({ sql, params: fill(values) })
      return async (values) => (await read({ sql, params: fill(values), isPrepared: true })).rows
    },
    firstOfEach: postgresFirstOfEach,
    claim: postgresClaim(pool),
    violatedTable,
    aside: (query, signal): Promise<RawRow[]> => aside.read(query.toSQL(), signal),
    upsertProfiles: (namespaceId, patches, writes = []) => upsert(namespaceId, patches, writes),
    attributeStatistics: (sandboxId, signal) => attributes.statistics(sandboxId, signal),
    exportSource: () => ({ url }),
    life: postgresLife({ pool, session }),
    isShared: true,
    migrate: () => migratePostgres(url),
    ping: async () => {
      const migrated = 'select count(*) from drizzle.__drizzle_migrations'
      const { rows } = await read({
        sql: `select current_setting('transaction_read_only'), (${migrated})`,
        params: [],
      })
      if (rows[0]?.[0] !== 'off') throw new Unavailable(READ_ONLY)
    },
    backup: async () => {
      throw new Error('A PostgreSQL database is backed up with pg_dump, while the gateway runs or not.')
    },
    close: async () => {
      await wake.flush()
      await Promise.all([attributes.close(), session.close(), aside.close(), imports.end(), pool.end()])
    },
  }
}

/** No text that is stored has a NUL, and PostgreSQL takes none: as half surrogates do, it becomes a sign of its own. */
const readable = (value: unknown): unknown =>
  typeof value === 'string' && value.includes('\0') ? value.replaceAll('\0', '\ufffd') : value
