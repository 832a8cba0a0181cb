// The seam between the stores and a database: one query type and a handful of named capabilities.
// sqlite.ts and postgres.ts implement it; no file but theirs knows which database it is on.
import type { SQL } from 'drizzle-orm'
import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3'
import type { Wake } from '../domain/ports.ts'
import type { AttributeStatistic, ExportSource, FirstOfEach, ProfilePatch, RawRow } from './capabilities.ts'
import type { JsonDialect } from './json-dialect.ts'
import type { Tables } from './tables.ts'

/** Drizzle's query builders, awaited. No transaction, run, all or get: those differ between databases. */
export type Db = Pick<
  BetterSQLite3Database,
  'select' | 'selectDistinct' | 'insert' | 'update' | 'delete' | '$with' | 'with'
>

/** Any built query. */
export interface Query {
  toSQL(): { sql: string; params: unknown[] }
}
/** A write and how many rows it must touch; when it touches another number, the whole batch is undone. */
export interface ExpectingQuery {
  query: Query
  expect: number
}

/** Many rows for one table, in values as the driver takes them; rows that are there already are passed over. */
export interface RowsWrite {
  into: string
  columns: readonly string[]
  rows: readonly (string | number | null)[][]
}
export type Write = Query | ExpectingQuery | RowsWrite

/** A batch was undone because a write did not touch the rows it expected: somebody was faster. */
export class StaleWrite extends Error {
  override readonly name = 'StaleWrite'
  /** Place of the write in the batch. */
  readonly index: number
  constructor(index: number) {
    super(`write ${index} of the batch found another state`)
    this.index = index
  }
}

/** Which processes of this installation are alive. Asked by whoever would take over what a dead one held. */
export interface Life {
  /** From now on this process counts as alive, until it ends or is released. */
  register(processId: string): Promise<void>
  /** Those that are certainly dead; one that lives on without its database may be among them. */
  deadAmong(processIds: readonly string[]): Promise<string[]>
  /** Whether no other process that is registered is alive. */
  isAlone(processId: string): Promise<boolean>
  release(processId: string): Promise<void>
}

export interface Database {
  readonly db: Db
  readonly tables: Tables
  /** Wake-ups between parts of the gateway. */
  readonly wake: Wake
  /** How JSON attributes are spoken of in SQL. */
  readonly json: JsonDialect

  /**
   * Compiles a read, to be run with the values of its placeholders: as often as one likes, and quickly. Rows are arrays
   * in the order of the selected columns, as the driver hands them over. `aside`: off the event loop, for what may take long.
   */
  prepare(query: SQL, where?: 'here' | 'aside'): (values: Record<string, unknown>) => Promise<RawRow[]>
  /** The read of the first rows of each of many parents, to be prepared: a row for each, its id and its rows as JSON. */
  firstOfEach(rows: FirstOfEach): SQL

  /**
   * Runs the writes in order, all or nothing, and resolves to the rows that each touched.
   * @throws StaleWrite when a write misses its expected count
   */
  batch(writes: readonly Write[]): Promise<number[]>
  /**
   * How long, in milliseconds, one slice of a long write should take. Where one connection writes, others wait meanwhile;
   * where many do, a slice so short would be little more than its commit.
   */
  readonly sliceMs: number
  /**
   * Takes the first row of a select that nobody else is taking at this moment, with the writes that take it: both in one
   * step, as `batch` does it. Null when there is none, or others were faster.
   */
  claim<R>(select: (db: Db) => PromiseLike<R[]>, writes: (row: R) => readonly Write[]): Promise<R | null>
  /** The table whose unique index an error speaks of, or null for any other error. */
  violatedTable(error: unknown): string | null
  /** A read that may take long, off the event loop. Rows are arrays in the order of the selected columns. */
  aside(query: Query, signal?: AbortSignal): Promise<RawRow[]>
  /** Merges (RFC 7396) patches into profiles by key, in one atomic step with the other writes. At most 2,000 a call. */
  upsertProfiles(
    namespaceId: number,
    patches: readonly ProfilePatch[],
    writes?: readonly Query[],
  ): Promise<{ inserted: number; updated: number }>
  /** Which attributes a sandbox's profiles have; reads every profile, off the event loop. */
  attributeStatistics(sandboxId: string, signal?: AbortSignal): Promise<AttributeStatistic[]>
  /** Opens what an export thread reads from; structured-cloneable. */
  exportSource(): ExportSource

  /** Which processes of this installation are alive: their leases hold. */
  readonly life: Life
  /** Whether gateways on other machines may work on it: then what is counted per minute is counted together. */
  readonly isShared: boolean
  migrate(): Promise<void>
  /** Rejects when the database cannot be reached or is not migrated. */
  ping(): Promise<void>
  /** An online, consistent copy. */
  backup(file: string): Promise<void>
  close(): Promise<void>
}
