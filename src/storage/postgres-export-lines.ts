// What COPY says of profiles, as the lines of a page. Byte by byte, and for the reasons of the encoders: PostgreSQL takes
// twice as long to put values together as to write them one after the other, and the driver's strings cost as much again.
import type { ExportPage } from './capabilities.ts'

const TAB = 9
const LF = 10
const SPACE = 0x20
const QUOTE = 0x22
const COMMA = 0x2c
const OPEN = 0x5b
const BACKSLASH = 0x5c
const CLOSE = 0x5d
const OBJECT_START = 0x7b
const NULL = Buffer.from('null')
/** COPY escapes these as JSON does; the one that JSON does not know is the vertical tab. */
const ESCAPED = new Set(Buffer.from('bfnrt\\'))
/** Behind a backslash: it is no value. */
const NO_VALUE = 0x4e // N

/**
 * Turns rows of a profile's id and its values into lines. The first `texts` values are texts, and become strings; those
 * behind them are JSON, and stay. Null where a text does not tell its value: it may be a list or an object, or has
 * control characters that JSON writes otherwise.
 */
export function linesOfCopy(copied: Uint8Array, texts: number): ExportPage | null {
  // A byte becomes at most three: a text of none gets its quotes beside what separates it.
  const out = new Uint8Array(copied.length * 3)
  let i = 0
  let o = 0
  let rows = 0
  let idAt = 0
  while (i < copied.length) {
    idAt = i
    while (copied[i] !== TAB) out[o++] = copied[i++] as number
    out[o++] = OPEN
    for (let column = 0; copied[i] === TAB; column += 1) {
      i += 1
      if (column > 0) out[o++] = COMMA
      let byte = copied[i] as number
      if (byte === BACKSLASH && copied[i + 1] === NO_VALUE) {
        out.set(NULL, o)
        o += NULL.length
        i += 2
      } else if (column < texts) {
        if (byte === OBJECT_START || byte === OPEN) return null
        out[o++] = QUOTE
        while (byte !== TAB && byte !== LF) {
          if (byte === QUOTE) out[o++] = BACKSLASH
          else if (byte === BACKSLASH) {
            out[o++] = BACKSLASH
            byte = copied[++i] as number
            if (!ESCAPED.has(byte)) return null
          } else if (byte < SPACE) return null
          out[o++] = byte
          byte = copied[++i] as number
        }
        out[o++] = QUOTE
      } else {
        while (byte !== TAB && byte !== LF) {
          if (byte === BACKSLASH) i += 1 // JSON has no control characters: what is escaped is its own backslash
          out[o++] = byte
          byte = copied[++i] as number
        }
      }
    }
    i += 1
    out[o++] = CLOSE
    out[o++] = LF
    rows += 1
  }
  return { lines: out.subarray(0, o), rows, lastProfileId: idOf(copied, idAt) }
}

function idOf(copied: Uint8Array, at: number): number {
  let id = 0
  for (let i = at; i < copied.length; i += 1) {
    const digit = (copied[i] as number) - 0x30
    if (digit < 0 || digit > 9) break
    id = id * 10 + digit
  }
  return id
}
