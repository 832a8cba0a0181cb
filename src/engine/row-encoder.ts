// What every file format is to the export: rows in, the bytes of a part out.
import type { ColumnType, FileFormat, RejectionReason } from '../domain/model.ts'

export interface RowEncoder {
  /** What every part begins with. */
  readonly header: Uint8Array
  /** Encodes rows of a page from `from` on, at most `maxRows`. Input: lines as `ExportPage` describes them. */
  encode(lines: Uint8Array, from: number, maxRows: number): EncodedPage
  /** What a part ends with; the next row begins another part. */
  end(): Uint8Array
}

export interface EncodedColumn {
  target: string
  required: boolean
  /** For formats with a schema. */
  type?: ColumnType
}
export interface EncoderOptions {
  columns: EncodedColumn[]
  /** A further value at the end of every line decides whether the row may leave. */
  hasConsent: boolean
  format: FileFormat
}
export interface EncodedRejection {
  profileId: number
  reason: RejectionReason
  detail: string | null
}
export interface EncodedPage {
  /** Valid until the next call. */
  bytes: Uint8Array
  /** Rows that were taken: in `bytes`, or in those of a later call. */
  rows: number
  rejected: EncodedRejection[]
  /** How far the input was used: to the end, or to where `maxRows` was reached. */
  consumed: number
  lastProfileId: number
}

export const NO_BYTES = new Uint8Array(0)
