import type { FileType } from '../domain/model.ts'
import { csvEncoder } from './csv-encoder.ts'
import { jsonEncoder } from './json-encoder.ts'
import { parquetEncoder } from './parquet-encoder.ts'
import type { EncoderOptions, RowEncoder } from './row-encoder.ts'

const ENCODERS: Record<FileType, (options: EncoderOptions) => RowEncoder> = {
  CSV: csvEncoder,
  JSON: jsonEncoder,
  PARQUET: parquetEncoder,
}

/** The encoder of a format; it lasts for all parts of an export. */
export const rowEncoder = (options: EncoderOptions): RowEncoder => ENCODERS[options.format.type](options)
