// Copies everything from one database into another, and compares them. Rows go in the order of their keys, each chunk
// whole: how many there are says where a copy that was ended goes on.
import { createHash } from 'node:crypto'
import { and, eq, getTableColumns, type SQL, sql } from 'drizzle-orm'
import { getTableConfig, type SQLiteColumn, type SQLiteTable } from 'drizzle-orm/sqlite-core'
import type { Database } from './database.ts'
import { tables as shape } from './schema.sqlite.ts'

/** Of the wide tables, 500 rows are some 20,000 parameters; PostgreSQL takes 65,535. */
const ROWS_AT_ONCE = 500

export interface CopiedTable {
  table: string
  rows: number
  /** Of its rows, whatever their order, as both databases read them. */
  checksum: string
}
/** What stands in the way of a copy, in a sentence for the operator. */
export class CopyRefused extends Error {
  override readonly name = 'CopyRefused'
}
type Name = keyof typeof shape
type Values = Record<string, unknown>

/**
 * Both databases are migrated, and nobody else works on them.
 * @param onRows told how many rows of `total` are there, those of before included
 * @throws CopyRefused for a target with other data, and when the databases differ in the end
 */
export async function copyDatabase(options: {
  source: Database
  target: Database
  onRows: (rows: number, total: number) => void
}): Promise<CopiedTable[]> {
  const { source, target, onRows } = options
  const names = (Object.keys(shape) as Name[]).filter((name) => name !== 'rateCounts') // worth nothing a minute later
  const counts = await Promise.all(names.map((name) => countOf(source, name)))
  const total = counts.reduce((sum, count) => sum + count, 0)
  // Before anything is written, and after: whoever has data of his own keeps it.
  const there = await Promise.all(names.map((name) => copiedSoFar(source, target, name)))
  let done = there.reduce((sum, { rows }) => sum + rows, 0)
  onRows(done, total)
  for (const [index, name] of names.entries()) {
    for await (const rows of pagesOf(source, name, there[index]?.last)) {
      await insert(target, name, rows)
      done += rows.length
      onRows(done, total)
    }
    const table = tableName(name)
    if (isIdentity(name)) await target.identity.goOnAfter(table, await source.identity.last(table))
  }
  const copied: CopiedTable[] = []
  for (const name of names) copied.push(await compared(source, target, name))
  return copied
}

/** How many of the source's first rows the target has, and the last of them. */
async function copiedSoFar(source: Database, target: Database, name: Name) {
  const rows = await countOf(target, name)
  if (rows === 0) return { rows }
  const [first] = await read(source, name).limit(1)
  const [last] = await read(source, name)
    .limit(1)
    .offset(rows - 1)
  if (first && last && (await has(target, name, first)) && (await has(target, name, last)))
    return { rows, last }
  throw new CopyRefused(
    `The target has data of its own in ${tableName(name)}. Name a database that is empty, or that of a copy which was not finished.`,
  )
}

async function compared(source: Database, target: Database, name: Name): Promise<CopiedTable> {
  const [here, there] = await Promise.all([summary(source, name), summary(target, name)])
  if (here.rows === there.rows && here.checksum === there.checksum) return { table: tableName(name), ...here }
  throw new CopyRefused(
    `${tableName(name)} differs: ${here.rows} rows with the checksum ${here.checksum} in the source, ${there.rows} with ${there.checksum} in the target. ` +
      'The source was changed while it was copied, or the target. Empty the target, and copy again.',
  )
}

async function summary(database: Database, name: Name): Promise<{ rows: number; checksum: string }> {
  const sum = Buffer.alloc(32)
  let count = 0
  for await (const rows of pagesOf(database, name)) {
    for (const row of rows) {
      const digest = createHash('sha256')
        .update(canonical(parsed(name, row)))
        .digest()
      for (let at = 0; at < sum.length; at += 1) sum[at] = (sum[at] ?? 0) ^ (digest[at] ?? 0)
    }
    count += rows.length
  }
  return { rows: count, checksum: sum.toString('hex').slice(0, 16) }
}

/** jsonb keeps no order of keys and no way of writing a number: a value is compared, not its text. */
function canonical(value: unknown): string {
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`).join(',')}}`
}

async function* pagesOf(database: Database, name: Name, after?: Values): AsyncGenerator<Values[]> {
  let last = after
  for (;;) {
    const rows = await read(database, name, last && isAfter(database, name, last)).limit(ROWS_AT_ONCE)
    if (rows.length > 0) yield rows
    if (rows.length < ROWS_AT_ONCE) return
    last = rows.at(-1)
  }
}

/** Rows in the order of their keys; attributes as the text of their JSON, so that no digit of a number is lost. */
function read(database: Database, name: Name, where?: SQL) {
  const table = tableOf(database, name)
  const columns = {
    ...getTableColumns(table),
    ...(isProfiles(name) && { attributes: database.json.document() }),
  }
  const order = keysOf(name).map((key) => columnOf(table, key))
  return database.db
    .select(columns)
    .from(table)
    .where(where)
    .orderBy(...order)
    .$dynamic()
}

async function insert(target: Database, name: Name, rows: Values[]): Promise<void> {
  if (!isProfiles(name)) {
    await target.batch([target.db.insert(tableOf(target, name)).values(rows)])
    return
  }
  const columns = ['id', 'namespace_id', 'key', 'attributes']
  const values = rows.map(
    ({ id, namespaceId, key, attributes }) => [id, namespaceId, key, attributes] as string[],
  )
  await target.batch([{ into: 'profiles', columns, rows: values }])
}

const parsed = (name: Name, row: Values): Values =>
  isProfiles(name) ? { ...row, attributes: JSON.parse(String(row.attributes)) } : row

async function countOf(database: Database, name: Name): Promise<number> {
  const [row] = await database.db.select({ count: sql<number>`count(*)` }).from(tableOf(database, name))
  return Number(row?.count ?? 0)
}

async function has(database: Database, name: Name, row: Values): Promise<boolean> {
  const table = tableOf(database, name)
  const isSame = and(...keysOf(name).map((key) => eq(columnOf(table, key), row[key])))
  return (await read(database, name, isSame).limit(1)).length > 0
}

function isAfter(database: Database, name: Name, row: Values): SQL {
  const table = tableOf(database, name)
  const columns = keysOf(name).map((key) => columnOf(table, key))
  const values = keysOf(name).map((key) => sql.param(row[key], columnOf(table, key)))
  return sql`(${sql.join(columns, sql`, `)}) > (${sql.join(values, sql`, `)})`
}

// Tables of any name are handled alike, and are shaped alike on both databases: see kit.ts.
const tableOf = (database: Database, name: Name) => database.tables[name] as SQLiteTable
const columnOf = (table: SQLiteTable, key: string) => getTableColumns(table)[key] as SQLiteColumn
const tableName = (name: Name): string => getTableConfig(shape[name]).name
const isProfiles = (name: Name): boolean => name === 'profiles'
const isIdentity = (name: Name): boolean =>
  getTableConfig(shape[name]).columns.some((column) => 'autoIncrement' in column && column.autoIncrement)

/** The properties of the primary key's columns. */
function keysOf(name: Name): string[] {
  const { columns, primaryKeys } = getTableConfig(shape[name])
  const key = primaryKeys[0]?.columns ?? columns.filter(({ primary }) => primary)
  const properties = Object.entries(getTableColumns(shape[name] as SQLiteTable))
  return key.flatMap((column) => properties.find(([, one]) => one.name === column.name)?.[0] ?? [])
}
