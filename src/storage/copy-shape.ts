// What is copied from one database into another: every table there is, in the order of its key.
import { getTableConfig, type SQLiteColumn, type SQLiteTable } from 'drizzle-orm/sqlite-core'
import { tables } from './schema.sqlite.ts'

/** `attributes` is JSON, too, which SQLite keeps in a form of its own. */
export type CellKind = 'text' | 'number' | 'boolean' | 'timestamp' | 'json' | 'attributes'

export interface CopyTable {
  name: string
  columns: readonly { name: string; kind: CellKind }[]
  /** Places of the columns of the primary key, whose order is that of the rows. */
  key: readonly number[]
  /** The column whose values the database makes. */
  identity: string | null
}

/**
 * Values as text: numbers as decimal digits, `true` and `false`, times as milliseconds since 1970, JSON as it is written.
 */
export type CopyRow = readonly (string | null)[]

/** What stands in the way of a copy, in sentences for the operator. */
export class CopyRefused extends Error {
  override readonly name = 'CopyRefused'
}

const KINDS: Record<string, CellKind> = {
  string: 'text',
  number: 'number',
  boolean: 'boolean',
  date: 'timestamp',
  json: 'json',
  custom: 'attributes',
}

export const copyTables: readonly CopyTable[] = Object.values(tables as Record<string, SQLiteTable>).map(
  (table) => {
    const { name, columns, primaryKeys } = getTableConfig(table)
    const key = primaryKeys[0]?.columns ?? columns.filter(({ primary }) => primary)
    return {
      name,
      columns: columns.map((column) => ({ name: column.name, kind: kindOf(column) })),
      key: key.map((part) => columns.findIndex((column) => column.name === part.name)),
      identity: columns.find((column) => 'autoIncrement' in column && column.autoIncrement)?.name ?? null,
    }
  },
)

function kindOf(column: SQLiteColumn): CellKind {
  const kind = KINDS[column.dataType]
  if (kind === undefined) throw new Error(`Nobody has said how a column of ${column.dataType} is copied.`)
  return kind
}

export const keyOf = ({ key }: CopyTable, row: CopyRow): string[] => key.map((place) => row[place] ?? '')

/** How messages name a row: by its key, never by what it holds. */
export const rowName = (table: CopyTable, row: CopyRow): string =>
  `${table.name}, the row with ${table.key.map((at) => `${table.columns[at]?.name} ${row[at]}`).join(' and ')}`
