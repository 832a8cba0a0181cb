import { sql } from 'drizzle-orm'
import {
  customType,
  index,
  integer,
  primaryKey,
  real,
  sqliteTable,
  text,
  uniqueIndex,
} from 'drizzle-orm/sqlite-core'

/** Profile attributes: SQLite's binary JSON, written from JSON text and read back as parsed JSON. */
const attributes = customType<{ data: Record<string, unknown>; driverData: string }>({
  dataType: () => 'blob',
  toDriver: (value) => sql`jsonb(${JSON.stringify(value)})` as unknown as string, // an SQL wrapper is accepted here, but not typed
  fromDriver: (value) => JSON.parse(value),
})

export const sqliteKit = {
  table: sqliteTable,
  text: (name: string) => text(name),
  /** A 32-bit integer. */
  int: (name: string) => integer(name),
  /** A 64-bit integer, safe to 2^53: counters of profiles and bytes. */
  bigint: (name: string) => integer(name, { mode: 'number' }),
  real: (name: string) => real(name),
  bool: (name: string) => integer(name, { mode: 'boolean' }),
  /** UTC with millisecond precision. */
  timestamp: (name: string) => integer(name, { mode: 'timestamp_ms' }),
  /** Small structured values that SQL never looks into. */
  json: <T>(name: string) => text(name, { mode: 'json' }).$type<T>(),
  attributes: (name: string) => attributes(name),
  /** A 64-bit key that the database makes and never gives out twice. */
  identity: (name: string) => integer(name, { mode: 'number' }).primaryKey({ autoIncrement: true }),
  index,
  uniqueIndex,
  primaryKey,
}
