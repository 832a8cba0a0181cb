// JSON lines from the database to CSV, byte by byte: RFC 4180, UTF-8, CRLF.
//
// Building strings for a million rows costs twice the time of reading them; copying bytes costs a tenth. So cells
// go from the page to the output without becoming JavaScript strings. A plain cell is copied in one loop; a cell
// with a character that matters is written again, quoted.
import {
  CLOSE,
  COMMA,
  CR,
  cellWriter,
  endOfValue,
  isDigit,
  LF,
  OBJECT_START,
  OPEN,
  PLAIN,
  QUOTE,
} from './csv-cell.ts'
import {
  type EncodedPage,
  type EncodedRejection,
  type EncoderOptions,
  NO_BYTES,
  type RowEncoder,
} from './row-encoder.ts'

const NULL_START = 0x6e // n
const TRUE_START = 0x74 // t

/** Writes CSV. */
export function csvEncoder(options: EncoderOptions): RowEncoder {
  const header = (options.format.header ?? true) ? headerOf(options) : NO_BYTES
  return { header, encode: rowsEncoder(options), end: () => NO_BYTES }
}

/** The header row, with the same quoting as the cells. */
function headerOf(options: EncoderOptions): Uint8Array {
  const columns = options.columns.map(({ target }) => ({ target, required: false }))
  const names = JSON.stringify(columns.map((column) => column.target))
  const encode = rowsEncoder({ ...options, hasConsent: false, columns })
  return encode(Buffer.from(`0${names}\n`), 0, 1).bytes.slice()
}

/** Encodes into a scratch buffer of its own. */
function rowsEncoder({ columns, hasConsent, format }: EncoderOptions) {
  const delimiter = format.delimiter.charCodeAt(0)
  const quote = format.quote.charCodeAt(0)
  const nullValue = Buffer.from(format.nullValue)
  const emptyValue = Buffer.from(format.emptyValue ?? '')
  const required = columns.map((column) => column.required)
  const isAlone = columns.length === 1
  const cells = cellWriter(format)
  let scratch = new Uint8Array(0) // no Buffer: a Buffer's slice() would share its memory

  const missing = (profileId: number, column: number): EncodedRejection => ({
    profileId,
    reason: 'MISSING_REQUIRED_FIELD',
    detail: columns[column]?.target ?? null,
  })
  const notScalar = (profileId: number, column: number): EncodedRejection => ({
    profileId,
    reason: 'INVALID_VALUE',
    detail: `${columns[column]?.target} holds a list or an object`,
  })

  // The positions are locals of one long function on purpose: kept in the closure, they cost three times as much.
  return function encode(lines: Uint8Array, from: number, maxRows: number): EncodedPage {
    // A byte becomes at most two; a null of four bytes, and an empty text of two, become their values.
    const needed = (lines.length - from) * (2 + nullValue.length + emptyValue.length) + 64
    if (scratch.length < needed) scratch = new Uint8Array(needed)
    const out = scratch
    const { classes, mayBeFormula } = cells
    let i = from
    let o = 0
    let rows = 0
    let lastProfileId = 0
    const rejected: EncodedRejection[] = []

    while (i < lines.length && rows < maxRows) {
      const rowStart = o
      let refusal: EncodedRejection | null = null
      lastProfileId = 0
      while (isDigit(lines[i] as number)) lastProfileId = lastProfileId * 10 + (lines[i++] as number) - 0x30
      if (lines[i] !== OPEN) {
        refusal = { profileId: lastProfileId, reason: 'DUPLICATE', detail: null }
        i += 1
      }
      let consents = !hasConsent
      for (let column = 0; lines[i] !== CLOSE; column += 1) {
        i += 1 // the opening bracket or a comma
        const byte = lines[i] as number
        if (column >= columns.length) {
          if (column === columns.length && hasConsent) consents = byte === TRUE_START
          i = endOfValue(lines, i)
          continue
        }
        if (column > 0) out[o++] = delimiter
        const cell = o
        if (byte === QUOTE) {
          i += 1
          const start = i
          while (classes[lines[i] as number] === PLAIN) out[o++] = lines[i++] as number
          if (lines[i] === QUOTE && mayBeFormula[lines[start] as number] === 0) {
            if (i === start) {
              for (let n = 0; n < emptyValue.length; n += 1) out[o++] = emptyValue[n] as number
              if (required[column] === true) refusal ??= missing(lastProfileId, column)
            }
            i += 1
          } else {
            cells.write({ lines, start, out, cell })
            i = cells.readTo
            o = cells.writtenTo
          }
        } else if (byte === NULL_START) {
          i += 4
          out.set(nullValue, o)
          o += nullValue.length
          if (required[column] === true) refusal ??= missing(lastProfileId, column)
        } else if (byte === OBJECT_START || byte === OPEN) {
          i = endOfValue(lines, i)
          refusal ??= notScalar(lastProfileId, column)
        } else {
          while (lines[i] !== COMMA && lines[i] !== CLOSE) out[o++] = lines[i++] as number
        }
        // A line of nothing would be passed over by readers.
        if (isAlone && o === cell) {
          out[o++] = quote
          out[o++] = quote
        }
      }
      i += 2 // the closing bracket and the line feed
      if (!consents) refusal = { profileId: lastProfileId, reason: 'NO_CONSENT', detail: null }
      if (refusal) {
        o = rowStart
        rejected.push(refusal)
      } else {
        out[o++] = CR
        out[o++] = LF
        rows += 1
      }
    }
    return { bytes: out.subarray(0, o), rows, rejected, consumed: i, lastProfileId }
  }
}
