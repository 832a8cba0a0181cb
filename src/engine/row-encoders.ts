import type { FileType } from '../domain/model.ts'
import { csvEncoder } from './csv-encoder.ts'
import type { EncoderOptions, RowEncoder } from './row-encoder.ts'

const ENCODERS: Partial<Record<FileType, (options: EncoderOptions) => RowEncoder>> = { CSV: csvEncoder }

/** The encoder of a format; it lasts for all parts of an export. */
export function rowEncoder(options: EncoderOptions): RowEncoder {
  const encoder = ENCODERS[options.format.type]
  if (!encoder) throw new Error(`no encoder writes ${options.format.type}`)
  return encoder(options)
}
