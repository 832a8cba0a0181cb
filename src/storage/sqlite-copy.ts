// The side of a copy that is read: a SQLite file, which nobody else writes to meanwhile.
import BetterSqlite from 'better-sqlite3'
import { type CellKind, CopyRefused, type CopyRow, type CopyTable, rowName } from './copy-shape.ts'
import { isUpToDate } from './sqlite-migrate.ts'

/** What a page holds at most; a longer row is a page of its own. */
const MAX_ROWS = 5_000
const MAX_CHARS = 4_000_000
const BUSY_MS = 10_000

export interface CopySource {
  /** Tells installations apart. */
  readonly installation: string
  count(table: CopyTable): number
  /** The last key that the database has made. */
  lastIdentity(table: CopyTable): number
  /** Rows after a key, in the order of keys; none at the end. @throws CopyRefused for a value of another type */
  page(table: CopyTable, after: readonly string[] | null): CopyRow[]
  close(): void
}

/** @throws CopyRefused when the file is not up to date, or written to by others */
export function openSqliteCopySource(file: string, busyMs = BUSY_MS): CopySource {
  const connection = new BetterSqlite(file, { timeout: busyMs, fileMustExist: true })
  try {
    if (!isUpToDate(connection)) {
      throw new CopyRefused(`${file} is not up to date. Run migrate, then call this again.`)
    }
    lockWrites(connection, file)
    return copySource(connection)
  } catch (error) {
    connection.close()
    throw error
  }
}

function copySource(connection: BetterSqlite.Database): CopySource {
  const one = (sql: string, ...params: unknown[]) =>
    connection
      .prepare(sql)
      .pluck()
      .get(...params)
  return {
    installation: String(one('select min(id) from sandboxes') ?? 'empty'),
    count: ({ name }) => Number(one(`select count(*) from ${name}`)),
    lastIdentity: ({ name }) => Number(one('select max(seq) from sqlite_sequence where name = ?', name) ?? 0),
    page(table, after) {
      const rows: CopyRow[] = []
      let chars = 0
      const statement = connection.prepare(pageSql(table, after !== null)).raw()
      const from = (after ?? []).map((value, at) => (isText(table, at) ? value : Number(value)))
      for (const values of statement.iterate(...from) as IterableIterator<unknown[]>) {
        const row = rowOf(table, values)
        rows.push(row)
        for (const cell of row) chars += cell?.length ?? 0
        if (rows.length === MAX_ROWS || chars >= MAX_CHARS) break
      }
      return rows
    },
    close: () => connection.close(),
  }
}

/** Held until the end: what is copied and what it is compared with are one state. Readers go on. */
function lockWrites(connection: BetterSqlite.Database, file: string): void {
  try {
    connection.exec('BEGIN IMMEDIATE')
  } catch (error) {
    if (!String((error as { code?: string }).code).startsWith('SQLITE_BUSY')) throw error
    throw new CopyRefused(`Another process writes to ${file}. Stop it, then call this again.`)
  }
}

function pageSql({ name, columns, key }: CopyTable, isAfter: boolean): string {
  const cells = columns.map((column) =>
    column.kind === 'attributes' ? `json(${quoted(column.name)})` : quoted(column.name),
  )
  const order = key.map((at) => quoted(columns[at]?.name ?? '')).join(', ')
  const after = isAfter ? `where (${order}) > (${key.map(() => '?').join(', ')})` : ''
  return `select ${cells.join(', ')} from ${name} ${after} order by ${order}`
}

const quoted = (name: string): string => `"${name}"`
const isText = ({ columns, key }: CopyTable, at: number): boolean => columns[key[at] ?? 0]?.kind === 'text'

function rowOf(table: CopyTable, values: unknown[]): CopyRow {
  const row = values.map((value, at) => cellOf(table.columns[at]?.kind ?? 'text', value))
  const wrong = row.indexOf(undefined)
  if (wrong < 0) return row as CopyRow
  const of = rowName(table, values.map(String))
  throw new CopyRefused(
    `${of}: ${table.columns[wrong]?.name} holds no ${table.columns[wrong]?.kind}. Mend it first.`,
  )
}

/** SQLite keeps values of any type in any column: undefined for one of a type that was never meant. */
function cellOf(kind: CellKind, value: unknown): string | null | undefined {
  if (value === null) return null
  if (kind === 'text' || kind === 'json' || kind === 'attributes')
    return typeof value === 'string' ? value : undefined
  if (!Number.isSafeInteger(value)) return undefined
  if (kind !== 'boolean') return String(value)
  return value === 1 ? 'true' : value === 0 ? 'false' : undefined
}
