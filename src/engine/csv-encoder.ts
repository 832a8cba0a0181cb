// JSON lines from the database to CSV, byte by byte: RFC 4180, UTF-8, CRLF.
//
// Building strings for a million rows costs twice the time of reading them; copying bytes costs a tenth. So cells
// go from the page to the output without becoming JavaScript strings. A plain cell is copied in one loop; a cell
// with a character that matters is written again, quoted.
import type { FileFormat, RejectionReason } from '../domain/model.ts'

export interface EncodedColumn {
  target: string
  required: boolean
}
export interface EncoderOptions {
  columns: EncodedColumn[]
  /** A further value at the end of every line decides whether the row may leave. */
  hasConsent: boolean
  format: Pick<FileFormat, 'delimiter' | 'quote' | 'escape' | 'nullValue' | 'neutralizeFormulas'>
}
export interface EncodedRejection {
  profileId: number
  reason: RejectionReason
  detail: string | null
}
export interface EncodedPage {
  /** Valid until the next call. */
  bytes: Uint8Array
  /** Rows in `bytes`. */
  rows: number
  rejected: EncodedRejection[]
  /** How far the input was used: to the end, or to where `maxRows` was reached. */
  consumed: number
  lastProfileId: number
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN = 0x5b
const CLOSE = 0x5d
const NULL_START = 0x6e // n
const TRUE_START = 0x74 // t
const OBJECT_START = 0x7b
const APOSTROPHE = 0x27
const CR = 13
const LF = 10
const TAB = 9
const JSON_ESCAPES: Record<number, number> = { 98: 8, 102: 12, 110: LF, 114: CR, 116: TAB }
// Classes of a byte inside a JSON string.
const PLAIN = 0
const END = 1
const ESCAPE = 2
const SPECIAL = 3

/** The header row, with the same quoting as the cells. */
export function csvHeader(options: EncoderOptions): Uint8Array {
  const names = JSON.stringify(options.columns.map((column) => column.target))
  const encode = csvEncoder({
    ...options,
    hasConsent: false,
    columns: options.columns.map((c) => ({ ...c, required: false })),
  })
  return encode(Buffer.from(`0${names}\n`), 0, 1).bytes.slice()
}

/** An encoder with a scratch buffer of its own. Input: lines as `ExportPage` describes them. */
export function csvEncoder({ columns, hasConsent, format }: EncoderOptions) {
  const delimiter = format.delimiter.charCodeAt(0)
  const quote = format.quote.charCodeAt(0)
  const escaping = format.escape.charCodeAt(0)
  const nullValue = Buffer.from(format.nullValue)
  const required = columns.map((column) => column.required)
  const classes = new Uint8Array(256)
  classes[QUOTE] = END
  classes[BACKSLASH] = ESCAPE
  for (const byte of [delimiter, quote, escaping, CR, LF])
    if (classes[byte] === PLAIN) classes[byte] = SPECIAL
  // JSON writes `"` and `\` escaped, so they meet the ESCAPE class; what they need is decided there.
  const growth = 2
  let out = Buffer.alloc(0)
  let input: Uint8Array = out
  let i = 0
  let o = 0

  const putSpecial = (byte: number): void => {
    if (byte === quote) out[o++] = escaping
    else if (byte === escaping && escaping !== quote) out[o++] = escaping
    out[o++] = byte
  }
  /** Writes the string whose first byte is at i again, quoted where needed; leaves i behind its closing quote. */
  const putCarefully = (): void => {
    const start = o
    const defused = format.neutralizeFormulas && isFormula(input, i)
    out[o++] = quote
    if (defused) {
      if (APOSTROPHE === quote) out[o++] = escaping
      out[o++] = APOSTROPHE
    }
    let needsQuotes = defused && APOSTROPHE === quote
    for (;;) {
      const byte = input[i++] as number
      const kind = classes[byte]
      if (kind === PLAIN) out[o++] = byte
      else if (kind === END) break
      else if (kind === SPECIAL) {
        needsQuotes = true
        putSpecial(byte)
      } else if (input[i] === 0x75) {
        const text = String.fromCharCode(Number.parseInt(ascii(input, i + 1, i + 5), 16))
        i += 5
        // A surrogate pair is written as two escapes.
        const pair = isHighSurrogate(text) && input[i] === BACKSLASH && input[i + 1] === 0x75
        const low = pair ? String.fromCharCode(Number.parseInt(ascii(input, i + 2, i + 6), 16)) : ''
        if (pair) i += 6
        for (const unit of Buffer.from(text + low)) {
          if (classes[unit] !== PLAIN) {
            needsQuotes = true
            putSpecial(unit)
          } else out[o++] = unit
        }
      } else {
        const next = input[i++] as number
        const byteOut = JSON_ESCAPES[next] ?? next
        if (
          byteOut === quote ||
          byteOut === escaping ||
          byteOut === delimiter ||
          byteOut === CR ||
          byteOut === LF
        ) {
          needsQuotes = true
          putSpecial(byteOut)
        } else out[o++] = byteOut
      }
    }
    if (needsQuotes) out[o++] = quote
    else {
      out.copyWithin(start, start + 1, o)
      o -= 1
    }
  }
  const putString = (): void => {
    i += 1
    const from = i
    const start = o
    while (classes[input[i] as number] === PLAIN) out[o++] = input[i++] as number
    if (input[i] === QUOTE && !(format.neutralizeFormulas && mayBeFormula(input[from] as number))) i += 1
    else {
      i = from
      o = start
      putCarefully()
    }
  }
  const putNull = (): void => {
    out.set(nullValue, o)
    o += nullValue.length
  }

  return function encode(lines: Uint8Array, from: number, maxRows: number): EncodedPage {
    const worst = (lines.length - from) * growth + nullValue.length * (lines.length - from) + 64
    const needed = nullValue.length === 0 ? (lines.length - from) * growth + 64 : worst
    if (out.length < needed) out = Buffer.allocUnsafeSlow(needed)
    input = lines
    i = from
    o = 0
    let rows = 0
    let lastProfileId = 0
    const rejected: EncodedRejection[] = []

    while (i < lines.length && rows < maxRows) {
      const rowStart = o
      let profileId = 0
      while (isDigit(lines[i] as number)) profileId = profileId * 10 + (lines[i++] as number) - 0x30
      lastProfileId = profileId
      let refusal: EncodedRejection | null = null
      if (lines[i] !== OPEN) {
        refusal = { profileId, reason: 'DUPLICATE', detail: null }
        i += 1
      }
      i += 1 // the opening bracket
      let consents = !hasConsent
      for (let column = 0; ; column += 1) {
        const byte = lines[i] as number
        const isOutput = column < columns.length
        if (!isOutput) {
          if (column === columns.length && hasConsent) consents = byte === TRUE_START
          skipValue()
        } else {
          if (column > 0) out[o++] = delimiter
          const cell = o
          if (byte === QUOTE) {
            const isEmpty = lines[i + 1] === QUOTE
            putString()
            if (isEmpty && required[column] === true) refusal ??= missing(profileId, column)
          } else if (byte === NULL_START) {
            i += 4
            putNull()
            if (required[column] === true) refusal ??= missing(profileId, column)
          } else if (byte === OBJECT_START || byte === OPEN) {
            skipValue()
            refusal ??= notScalar(profileId, column)
          } else {
            while (lines[i] !== COMMA && lines[i] !== CLOSE) out[o++] = lines[i++] as number
          }
          // A line of nothing would be skipped by readers.
          if (columns.length === 1 && o === cell) {
            out[o++] = quote
            out[o++] = quote
          }
        }
        if (lines[i] === CLOSE) break
        i += 1
      }
      i += 2 // the closing bracket and the line feed
      if (!consents) refusal = { profileId, reason: 'NO_CONSENT', detail: null }
      if (refusal) {
        o = rowStart
        rejected.push(refusal)
        continue
      }
      out[o++] = CR
      out[o++] = LF
      rows += 1
    }
    return { bytes: out.subarray(0, o), rows, rejected, consumed: i, lastProfileId }
  }

  function missing(profileId: number, column: number): EncodedRejection {
    return { profileId, reason: 'MISSING_REQUIRED_FIELD', detail: columns[column]?.target ?? null }
  }
  function notScalar(profileId: number, column: number): EncodedRejection {
    return {
      profileId,
      reason: 'INVALID_VALUE',
      detail: `${columns[column]?.target} holds a list or an object`,
    }
  }
  /** Moves i behind the JSON value that starts there. */
  function skipValue(): void {
    let depth = 0
    for (; ; i += 1) {
      const byte = input[i] as number
      if (byte === QUOTE) {
        i += 1
        while (input[i] !== QUOTE) i += input[i] === BACKSLASH ? 2 : 1
      } else if (byte === OBJECT_START || byte === OPEN) depth += 1
      else if (depth === 0 && (byte === COMMA || byte === CLOSE)) return
      else if (byte === CLOSE || byte === 0x7d) depth -= 1
    }
  }
}

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39
const isHighSurrogate = (text: string): boolean => text >= '\ud800' && text <= '\udbff'
const ascii = (bytes: Uint8Array, from: number, to: number): string =>
  String.fromCharCode(...bytes.subarray(from, to))

// = + - @ tab CR, JSON's escape, and the first byte of the full-width forms.
const mayBeFormula = (byte: number): boolean =>
  byte === 0x3d ||
  byte === 0x2b ||
  byte === 0x2d ||
  byte === 0x40 ||
  byte === TAB ||
  byte === CR ||
  byte === BACKSLASH ||
  byte === 0xef

/** Whether a spreadsheet would run the JSON string that starts at i. A plain signed number is not a formula. */
function isFormula(input: Uint8Array, i: number): boolean {
  const byte = input[i] as number
  if (byte === BACKSLASH) return input[i + 1] === 0x74 || input[i + 1] === 0x72
  if (byte === 0xef) {
    const last = input[i + 2] as number
    const isFullWidth = last === 0x9d || last === 0x8b || last === 0x8d
    return (input[i + 1] === 0xbc && isFullWidth) || (input[i + 1] === 0xbc && last === 0xa0)
  }
  if (byte === 0x3d || byte === 0x40) return true
  if (byte !== 0x2b && byte !== 0x2d) return false
  let end = i + 1
  while (isDigit(input[end] as number)) end += 1
  const hasWhole = end > i + 1
  if (hasWhole && (input[end] === 0x2e || input[end] === COMMA) && isDigit(input[end + 1] as number)) {
    end += 1
    while (isDigit(input[end] as number)) end += 1
  }
  return !(hasWhole && input[end] === QUOTE)
}
