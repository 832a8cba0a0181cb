// JSON lines from the database to JSON lines of named values, byte by byte, like the CSV encoder and for its reasons.
// A value is JSON already: it is copied as it is, lists and objects included.
import { CLOSE, COMMA, endOfValue, isDigit, LF, OBJECT_START, OPEN, QUOTE } from './csv-cell.ts'
import {
  type EncodedPage,
  type EncodedRejection,
  type EncoderOptions,
  NO_BYTES,
  type RowEncoder,
} from './row-encoder.ts'

const BACKSLASH = 0x5c
const NULL_START = 0x6e // n
const TRUE_START = 0x74 // t
const OBJECT_END = 0x7d

/** Writes one JSON object a line: every column in its order, null for a missing value, UTF-8. */
export function jsonEncoder(options: EncoderOptions): RowEncoder {
  return { header: NO_BYTES, encode: rowsEncoder(options), end: () => NO_BYTES }
}

/** Encodes into a scratch buffer of its own. */
function rowsEncoder({ columns, hasConsent }: EncoderOptions) {
  const names = columns.map(({ target }, column) =>
    Buffer.from(`${column === 0 ? '{' : ','}${JSON.stringify(target)}:`),
  )
  const nameBytes = names.reduce((sum, name) => sum + name.length, 0)
  const required = columns.map((column) => column.required)
  let scratch = new Uint8Array(0)

  // The positions are locals of one long function on purpose: kept in the closure, they cost three times as much.
  return function encode(lines: Uint8Array, from: number, maxRows: number): EncodedPage {
    // A line brings its values, in brackets that become braces; the names are ours.
    const needed = lines.length - from + linesIn(lines, from, maxRows) * nameBytes
    if (scratch.length < needed) scratch = new Uint8Array(needed)
    const out = scratch
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
        const name = names[column] as Uint8Array
        for (let n = 0; n < name.length; n += 1) out[o++] = name[n] as number
        const isMissing = byte === NULL_START || (byte === QUOTE && lines[i + 1] === QUOTE)
        if (isMissing && required[column] === true) {
          refusal ??= {
            profileId: lastProfileId,
            reason: 'MISSING_REQUIRED_FIELD',
            detail: columns[column]?.target ?? null,
          }
        }
        if (byte === QUOTE) {
          out[o++] = lines[i++] as number
          while (lines[i] !== QUOTE) {
            if (lines[i] === BACKSLASH) out[o++] = lines[i++] as number
            out[o++] = lines[i++] as number
          }
          out[o++] = lines[i++] as number
        } else if (byte === OBJECT_START || byte === OPEN) {
          const end = endOfValue(lines, i)
          while (i < end) out[o++] = lines[i++] as number
        } else {
          while (lines[i] !== COMMA && lines[i] !== CLOSE) out[o++] = lines[i++] as number
        }
      }
      i += 2 // the closing bracket and the line feed
      if (!consents) refusal = { profileId: lastProfileId, reason: 'NO_CONSENT', detail: null }
      if (refusal) {
        o = rowStart
        rejected.push(refusal)
      } else {
        out[o++] = OBJECT_END
        out[o++] = LF
        rows += 1
      }
    }
    return { bytes: out.subarray(0, o), rows, rejected, consumed: i, lastProfileId }
  }
}

/** How many lines begin at `from` or behind it, counted up to a line more than `most`. */
function linesIn(lines: Uint8Array, from: number, most: number): number {
  let count = 0
  for (let at = lines.indexOf(LF, from); at >= 0 && count <= most; at = lines.indexOf(LF, at + 1)) count += 1
  return count
}
