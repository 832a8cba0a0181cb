// Rows to Parquet. A row group is collected, written, and forgotten: memory holds one of them, and what the footer
// will say of those before.
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { ByteWriter, type ColumnSource, ParquetWriter } from 'hyparquet-writer'
import type { ColumnType, Compression } from '../domain/model.ts'
import { parseInstant } from '../domain/rule-instant.ts'
import { LF, OPEN } from './csv-cell.ts'
import type { EncodedColumn, EncodedRejection, EncoderOptions, RowEncoder } from './row-encoder.ts'

/** What ends a row group, whichever comes first. */
const GROUP_ROWS = 20_000
const GROUP_INPUT_BYTES = 4 * 1024 * 1024
const GZIP_LEVEL = 2
const MAGIC = Buffer.from('PAR1')
const CREATED_BY = 'activation-gateway'
/** In a footer: an empty list of row groups that does not say of what, and the writer's name after it. */
const NO_GROUPS = Buffer.from([0x19, 0x00, 0x28, CREATED_BY.length, ...Buffer.from(CREATED_BY)])
const LIST_OF_STRUCTS = 0x0c
const DUPLICATE_MARK = 0x64 // d

type Cell = string | number | boolean | null
type SchemaElement = ConstructorParameters<typeof ParquetWriter>[0]['schema'][number]

/** Columns have the types that the plan pinned, and may be null. */
export function parquetEncoder({ columns, hasConsent, format }: EncoderOptions): RowEncoder {
  const read = rowReader(columns, hasConsent)
  const cells: Cell[] = columns.map(() => null) // of one row, and then of the next
  let file = parquetFile(columns, format.compression)
  let group: Cell[][] = columns.map(() => [])
  let groupBytes = 0

  const endGroup = () => {
    if (groupBytes > 0) file.writeGroup(group)
    group = columns.map(() => [])
    groupBytes = 0
  }
  return {
    header: MAGIC,
    encode(lines, from, maxRows) {
      const page = Buffer.from(lines.buffer, lines.byteOffset, lines.length)
      const rejected: EncodedRejection[] = []
      let rows = 0
      let i = from
      let lastProfileId = 0
      while (i < page.length && rows < maxRows) {
        const open = page.indexOf(OPEN, i)
        const end = page.indexOf(LF, open)
        const isDuplicate = page[open - 1] === DUPLICATE_MARK
        lastProfileId = Number(page.toString('latin1', i, isDuplicate ? open - 1 : open))
        const refusal = read(JSON.parse(page.toString('utf8', open, end)), isDuplicate, cells)
        if (refusal) rejected.push({ profileId: lastProfileId, ...refusal })
        else {
          for (let column = 0; column < cells.length; column += 1) group[column]?.push(cells[column] as Cell)
          groupBytes += end - open
          rows += 1
        }
        if (groupBytes >= GROUP_INPUT_BYTES || group[0]?.length === GROUP_ROWS) endGroup()
        i = end + 1
      }
      return { bytes: file.take(), rows, rejected, consumed: i, lastProfileId }
    },
    end() {
      endGroup()
      const bytes = file.finish()
      file = parquetFile(columns, format.compression)
      return bytes
    },
  }
}

/** One Parquet file that is written piece by piece. The same rows give the same bytes. */
function parquetFile(columns: readonly EncodedColumn[], compression: Compression) {
  const writer = new ByteWriter()
  const parquet = new ParquetWriter({
    writer,
    schema: [{ name: 'profile', num_children: columns.length }, ...columns.map(elementOf)],
    codec: ({ NONE: 'UNCOMPRESSED', GZIP: 'GZIP', ZSTD: 'ZSTD' } as const)[compression],
    compressors: {
      GZIP: (bytes) => gzipSync(bytes, { level: GZIP_LEVEL }),
      ZSTD: (bytes) => zstdCompressSync(bytes),
    },
    createdBy: CREATED_BY,
  })
  /** What was written since the last time; valid until more is written. */
  const take = () => {
    const bytes = writer.getBytes()
    writer.index = 0
    return bytes
  }
  take() // the file's first bytes are the encoder's header
  return {
    take,
    writeGroup(group: Cell[][]) {
      const columnData = columns.map(
        ({ target }, column): ColumnSource => ({
          name: target,
          data: group[column] as Cell[],
          offsetIndex: false,
        }),
      )
      parquet.write({ columnData, rowGroupSize: group[0]?.length ?? 0 })
    },
    finish() {
      parquet.finish()
      const bytes = take()
      // The library does not say what an empty list would hold, which strict readers refuse.
      const at = Buffer.from(bytes.buffer, 0, bytes.length).indexOf(NO_GROUPS)
      if (parquet.row_groups.length === 0 && at >= 0) bytes[at + 1] = LIST_OF_STRUCTS
      return bytes
    },
  }
}

const PHYSICAL: Record<ColumnType, Pick<SchemaElement, 'type' | 'converted_type' | 'logical_type'>> = {
  STRING: { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } },
  NUMBER: { type: 'DOUBLE' },
  BOOLEAN: { type: 'BOOLEAN' },
  DATE_TIME: {
    type: 'INT64',
    converted_type: 'TIMESTAMP_MILLIS',
    logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MILLIS' },
  },
}
const elementOf = ({ target, type }: EncodedColumn): SchemaElement => ({
  name: target,
  repetition_type: 'OPTIONAL',
  ...PHYSICAL[type ?? 'STRING'],
})

const HOLDS_NO: Record<ColumnType, string> = {
  STRING: 'holds a list or an object',
  NUMBER: 'holds no number',
  BOOLEAN: 'holds neither true nor false',
  DATE_TIME: 'holds no date',
}

/** Puts the values of a row into `cells`, or says why it may not or cannot leave. */
function rowReader(columns: readonly EncodedColumn[], hasConsent: boolean) {
  return (
    values: unknown[],
    isDuplicate: boolean,
    cells: Cell[],
  ): Omit<EncodedRejection, 'profileId'> | null => {
    if (hasConsent && values[columns.length] !== true) return { reason: 'NO_CONSENT', detail: null }
    if (isDuplicate) return { reason: 'DUPLICATE', detail: null }
    for (let column = 0; column < columns.length; column += 1) {
      const { target, required, type = 'STRING' } = columns[column] as EncodedColumn
      const value = values[column]
      if (required && (value === null || value === '')) {
        return { reason: 'MISSING_REQUIRED_FIELD', detail: target }
      }
      const cell = value === null ? null : cellOf(type, value)
      if (cell === undefined) return { reason: 'INVALID_VALUE', detail: `${target} ${HOLDS_NO[type]}` }
      cells[column] = cell
    }
    return null
  }
}

/** Undefined: the value does not fit. */
function cellOf(type: ColumnType, value: unknown): Cell | undefined {
  if (type === 'STRING') {
    if (typeof value === 'string') return value
    return typeof value === 'object' ? undefined : String(value)
  }
  if (type === 'DATE_TIME') return typeof value === 'string' ? (parseInstant(value) ?? undefined) : undefined
  return typeof value === (type === 'NUMBER' ? 'number' : 'boolean') ? (value as Cell) : undefined
}
