// Parquet read by another implementation than the one that wrote it: Rust's, by way of Arrow.
import { type DataType, Type, tableFromIPC } from '@uwdata/flechette'
import { readParquet } from 'parquet-wasm'

const NAMES = new Map<number, string>([
  [Type.Utf8, 'STRING'],
  [Type.Float, 'NUMBER'],
  [Type.Bool, 'BOOLEAN'],
  [Type.Timestamp, 'DATE_TIME'],
])

/** The columns with our names of their types, and the rows; instants are milliseconds. */
export function parquetTable(file: Uint8Array) {
  const table = tableFromIPC(readParquet(file).intoIPCStream())
  const columns = table.schema.fields.map(({ name, type, nullable }) => ({
    name,
    type: nameOf(type),
    nullable,
  }))
  return { columns, rows: table.toArray() as Record<string, unknown>[] }
}

const nameOf = ({ typeId }: DataType): string => NAMES.get(typeId) ?? `Arrow type ${typeId}`
