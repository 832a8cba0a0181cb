// One CSV cell from one JSON string, where bytes cannot simply be copied: quotes, escapes, formulas.
import type { FileFormat } from '../domain/model.ts'

export const QUOTE = 0x22
export const COMMA = 0x2c
export const OPEN = 0x5b
export const CLOSE = 0x5d
export const OBJECT_START = 0x7b
export const CR = 13
export const LF = 10
/** Class of a byte that is copied as it is. */
export const PLAIN = 0

const END = 1
const ESCAPE = 2
const SPECIAL = 3
const OBJECT_END = 0x7d
const BACKSLASH = 0x5c
const APOSTROPHE = 0x27
const UNICODE_ESCAPE = 0x75 // u
const TAB = 9
const FULL_WIDTH = 0xef
/** What a byte behind a backslash stands for. */
const unescaped = Uint8Array.from({ length: 256 }, (_, byte) => byte)
for (const [letter, byte] of Object.entries({ b: 8, f: 12, n: LF, r: CR, t: TAB })) {
  unescaped[letter.charCodeAt(0)] = byte
}

export const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39

/** Where the JSON value that starts at i ends. */
export function endOfValue(lines: Uint8Array, i: number): number {
  let depth = 0
  for (let at = i; ; at += 1) {
    const byte = lines[at] as number
    if (byte === QUOTE) {
      at += 1
      while (lines[at] !== QUOTE) at += lines[at] === BACKSLASH ? 2 : 1
    } else if (byte === OBJECT_START || byte === OPEN) depth += 1
    else if (depth === 0 && (byte === COMMA || byte === CLOSE)) return at
    else if (byte === CLOSE || byte === OBJECT_END) depth -= 1
  }
}

type Dialect = Pick<FileFormat, 'delimiter' | 'quote' | 'escape' | 'neutralizeFormulas'>

export function cellWriter(format: Dialect) {
  const quote = format.quote.charCodeAt(0)
  const escaping = format.escape.charCodeAt(0)
  // JSON writes its quote and backslash escaped: what they need is decided behind the backslash.
  const special = new Uint8Array(256)
  for (const byte of [format.delimiter.charCodeAt(0), quote, escaping, CR, LF]) special[byte] = 1
  const classes = new Uint8Array(256)
  for (let byte = 0; byte < 256; byte += 1) if (special[byte]) classes[byte] = SPECIAL
  classes[QUOTE] = END
  classes[BACKSLASH] = ESCAPE

  const writer = {
    classes,
    /** 1 for a byte that may begin a formula. */
    mayBeFormula: formulaStarts(format.neutralizeFormulas),
    /** Behind the closing quote of the string that was read. */
    readTo: 0,
    writtenTo: 0,

    /** Writes the string whose first byte is at `start` to `cell`, quoted where needed. */
    write({
      lines,
      start,
      out,
      cell,
    }: {
      lines: Uint8Array
      start: number
      out: Uint8Array
      cell: number
    }): void {
      let i = start
      let o = cell
      let needsQuotes = false
      let pending: Uint8Array | null = null // the bytes of an escaped character
      let next = 0
      out[o++] = quote
      if (format.neutralizeFormulas && isFormula(lines, start)) {
        if (APOSTROPHE === quote) out[o++] = escaping
        needsQuotes = APOSTROPHE === quote
        out[o++] = APOSTROPHE
      }
      for (;;) {
        let byte: number
        if (pending !== null) {
          byte = pending[next++] as number
          if (next === pending.length) pending = null
        } else {
          byte = lines[i++] as number
          if (classes[byte] === PLAIN) {
            out[o++] = byte
            continue
          }
          if (byte === QUOTE) break
          if (byte === BACKSLASH) {
            byte = lines[i++] as number
            if (byte === UNICODE_ESCAPE) {
              const text = unicodeAt(lines, i - 1)
              i += text.length === 2 ? 10 : 4
              pending = Buffer.from(text)
              next = 0
              continue
            }
            byte = unescaped[byte] as number
          }
        }
        if (special[byte] === 1) {
          needsQuotes = true
          if (byte === quote || byte === escaping) out[o++] = escaping
        }
        out[o++] = byte
      }
      if (needsQuotes) out[o++] = quote
      else {
        out.copyWithin(cell, cell + 1, o)
        o -= 1
      }
      writer.readTo = i
      writer.writtenTo = o
    },
  }
  return writer
}

/** The character behind a `\\u`, whose `u` is at i; a surrogate pair is two escapes. */
function unicodeAt(lines: Uint8Array, i: number): string {
  const unit = (at: number) => String.fromCharCode(Number.parseInt(ascii(lines, at + 1, at + 5), 16))
  const first = unit(i)
  const isPair =
    first >= '\ud800' && first <= '\udbff' && lines[i + 5] === BACKSLASH && lines[i + 6] === UNICODE_ESCAPE
  return isPair ? first + unit(i + 6) : first
}

const ascii = (bytes: Uint8Array, from: number, to: number): string =>
  String.fromCharCode(...bytes.subarray(from, to))

/** = + - @ tab CR (which JSON escapes), and the first byte of their full-width forms. */
function formulaStarts(isOn: boolean): Uint8Array {
  const starts = new Uint8Array(256)
  if (isOn) for (const byte of [0x3d, 0x2b, 0x2d, 0x40, BACKSLASH, FULL_WIDTH]) starts[byte] = 1
  return starts
}

/** Whether a spreadsheet would run the JSON string that starts at i. A plain signed number is not a formula. */
function isFormula(lines: Uint8Array, i: number): boolean {
  const byte = lines[i] as number
  if (byte === BACKSLASH) return lines[i + 1] === 0x74 || lines[i + 1] === 0x72
  if (byte === FULL_WIDTH)
    return lines[i + 1] === 0xbc && [0x9d, 0x8b, 0x8d, 0xa0].includes(lines[i + 2] as number)
  if (byte === 0x3d || byte === 0x40) return true
  if (byte !== 0x2b && byte !== 0x2d) return false
  const whole = endOfDigits(lines, i + 1)
  const hasFraction = (lines[whole] === 0x2e || lines[whole] === COMMA) && isDigit(lines[whole + 1] as number)
  const end = hasFraction ? endOfDigits(lines, whole + 1) : whole
  return whole === i + 1 || lines[end] !== QUOTE
}

function endOfDigits(lines: Uint8Array, i: number): number {
  let end = i
  while (isDigit(lines[end] as number)) end += 1
  return end
}
