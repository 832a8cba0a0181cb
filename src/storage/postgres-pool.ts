// Connections to PostgreSQL: what every one of them is set to, and statements that go over any.
import { createHash } from 'node:crypto'
import pg from 'pg'
import type { RawRow } from './capabilities.ts'
import { translated } from './postgres-errors.ts'

export interface Statement {
  sql: string
  params: readonly unknown[]
  /** Planned once on each connection. */
  isPrepared?: boolean
}
export interface Answer {
  rows: RawRow[]
  /** Rows that a write touched. */
  count: number
}

const CONNECT_TIMEOUT_MS = 5_000
/** A transaction whose process hangs lets go of its locks. */
const IDLE_IN_TRANSACTION_MS = 60_000
const { builtins } = pg.types

/**
 * For statements that look few rows up, one by one: with statistics that are out of date, as they are after an import,
 * all profiles would be read instead.
 */
export const LOOK_UPS =
  'set enable_hashjoin = off; set enable_mergejoin = off; set enable_seqscan = off; set enable_bitmapscan = off; set jit = off'

/** JSON stays text: columns parse it. Counts fit into a number: see kit.ts. */
const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') => {
    if (oid === builtins.INT8 || oid === builtins.NUMERIC) return Number
    if (oid === builtins.JSON || oid === builtins.JSONB) return String
    return pg.types.getTypeParser(oid, format as 'text')
  },
} as pg.CustomTypesConfig

/** What every connection is opened with. */
export function clientConfig(url: string, statementTimeoutMs: number): pg.ClientConfig {
  return {
    connectionString: url,
    application_name: 'activation-gateway',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    statement_timeout: statementTimeoutMs,
    keepAlive: true,
    types,
  }
}

export function connectionPool(options: {
  url: string
  size: number
  statementTimeoutMs: number
  /** How long a statement waits for a free connection. */
  waitMs?: number
  /** Statements of a transaction are sent without waiting for the answer before. No COPY goes over such connections. */
  pipeline?: boolean
}): pg.Pool {
  const { url, size, statementTimeoutMs, waitMs = CONNECT_TIMEOUT_MS, pipeline = false } = options
  const config = { ...clientConfig(url, statementTimeoutMs), connectionTimeoutMillis: waitMs }
  // A connection that was opened stays.
  const pool = new pg.Pool({ ...config, max: size, pipeline, idleTimeoutMillis: 0 } as pg.PoolConfig)
  pool.on('error', () => {}) // of an idle connection: the pool makes another one
  // A connection may be lost at any moment, also between the pool's hands and whoever takes it: unheard, that would end
  // the process. The statement that is under way fails, and the pool takes no lost connection back.
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

/** Does the work on a connection that nobody else uses meanwhile. */
export async function withClient<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  let client: pg.PoolClient
  try {
    client = await pool.connect()
  } catch (error) {
    throw translated(error)
  }
  try {
    return await work(client)
  } catch (error) {
    throw translated(error)
  } finally {
    client.release()
  }
}

export async function ask(client: pg.ClientBase | pg.Pool, statement: Statement): Promise<Answer> {
  const { sql, params, isPrepared = false } = statement
  const { rows, rowCount } = await client.query({
    text: sql,
    values: params as unknown[], // the driver only reads them
    rowMode: 'array',
    ...(isPrepared && { name: nameOf(sql) }),
  })
  return { rows, count: rowCount ?? 0 }
}

/** Whether there is a table of this name, which may begin with its schema. */
export async function hasTable(client: pg.ClientBase, name: string): Promise<boolean> {
  const { rows } = await ask(client, { sql: 'select to_regclass($1)', params: [name] })
  return rows[0]?.[0] !== null
}

/**
 * Does the work in a transaction, all or nothing. What `work` throws undoes it.
 */
export async function inTransaction<T>(client: pg.ClientBase, work: () => Promise<T>): Promise<T> {
  const begun = client.query('begin')
  begun.catch(() => {}) // its failure is that of the first statement, too
  try {
    const result = await work()
    await begun
    await client.query('commit')
    return result
  } catch (error) {
    // Where the connection is lost, so is the transaction.
    await client.query('rollback').catch(() => {})
    throw error
  }
}

const nameOf = (sql: string): string => createHash('sha256').update(sql).digest('base64url')
