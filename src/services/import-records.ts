// Cuts bytes into records, so that a bad one costs itself and nothing after it. A CSV parser alone cannot do
// that: after a stray quote it reads on inside quotes, at worst to the end of the file.
import { isUtf8 } from 'node:buffer'

export interface RejectedRow {
  /** Line of the file on which the row begins, from 1. */
  line: number
  reason: string
  /** The row as it stands in the file, at most its first 8,192 bytes. */
  raw?: string
}
/** Whole records: record i lies in `bytes` from starts[i] to ends[i], and begins on lines[i]. */
export interface RecordBlock {
  bytes: Buffer
  starts: number[]
  ends: number[]
  lines: number[]
  /** Whether record i has quotes. */
  quoted: boolean[]
  rejected: RejectedRow[]
}
export interface Framing {
  ending: '\n' | '\r'
  /** Null: nothing is quoted, a line is a record. */
  delimiter: string | null
}
type Found =
  | { end: number; lines: number; isQuoted: boolean }
  /** The end has not been read yet, but nothing is wrong so far. */
  | 'unfinished'
  /** The quote at `open` was not closed so far, or not where a field ends. */
  | { open: number; isStray: boolean }

/** Bytes of one record. */
export const MAX_RECORD = 1024 * 1024
const TOO_LONG = `The row is longer than ${MAX_RECORD} bytes.`
const MAX_RAW = 8192
const QUOTE = 0x22
const NEWLINE = 0x0a
const RETURN = 0x0d

/** Empty lines are passed over. Bad records are handed over with the block that they were found in. */
export async function* recordBlocks(
  chunks: AsyncIterable<Buffer>,
  framing: Framing,
): AsyncGenerator<RecordBlock> {
  const cut = cutter(framing)
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of chunks) {
    const { block, next } = cut(rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk, false)
    rest = block.bytes.subarray(next)
    if (block.starts.length > 0 || block.rejected.length > 0) yield block
  }
  // The last line ends here, with or without a line break.
  const { block } = cut(Buffer.concat([rest, Buffer.from(framing.ending)]), true)
  if (block.starts.length > 0 || block.rejected.length > 0) yield block
}

function cutter({ ending: endingText, delimiter: delimiterText }: Framing) {
  const ending = endingText.charCodeAt(0)
  const delimiter = delimiterText?.charCodeAt(0)
  let line = 1
  let isSkipping = false

  return (bytes: Buffer, isLast: boolean): { block: RecordBlock; next: number } => {
    const block: RecordBlock = { bytes, starts: [], ends: [], lines: [], quoted: [], rejected: [] }
    const find = delimiter === undefined ? lineFinder(bytes, ending) : recordFinder(bytes, ending, delimiter)
    const problem = judge(bytes)
    let next = 0

    const skipLine = () => {
      const end = bytes.indexOf(ending, next)
      next = end < 0 ? bytes.length : end + 1
      isSkipping = end < 0
      if (!isSkipping) line += 1
    }
    const take = ({ end, lines, isQuoted }: Extract<Found, { end: number }>) => {
      const reason = problem(next, end)
      if (reason !== null) block.rejected.push({ line, reason, raw: rawText(bytes, next, end) })
      else if (end > next && (end > next + 1 || bytes[next] !== RETURN)) {
        block.starts.push(next)
        block.ends.push(end)
        block.lines.push(line)
        block.quoted.push(isQuoted)
      }
      line += lines
      next = end + 1
    }
    /** Rejects what begins here. Reading goes on below the line that `place` is on: what follows is whole again. */
    const giveUp = (place: number, reason: (line: number) => string) => {
      const lineOfPlace = line + count(bytes, ending, next, place)
      const end = bytes.indexOf(ending, place)
      const raw = rawText(bytes, next, end < 0 ? bytes.length : end)
      block.rejected.push({ line, reason: reason(lineOfPlace), raw })
      line = lineOfPlace
      next = place
      isSkipping = true
    }

    while (next < bytes.length) {
      if (isSkipping) {
        skipLine()
        continue
      }
      const found = find(next)
      const isTooLong = bytes.length - next > MAX_RECORD
      if (found === 'unfinished') {
        if (!isTooLong) break
        giveUp(bytes.length, () => TOO_LONG)
      } else if ('open' in found) {
        if (!found.isStray && !isTooLong && !isLast) break
        giveUp(found.open, (openLine) => quoteReason(openLine, found.isStray))
      } else take(found)
    }
    return { block, next }
  }
}

/** Says what keeps a whole record from being read, or null. The bytes are looked through once for all of them. */
function judge(bytes: Buffer) {
  const isSuspect = bytes.includes(0) || !isUtf8(bytes)
  return (start: number, end: number): string | null => {
    if (end - start > MAX_RECORD) return TOO_LONG
    if (!isSuspect) return null
    const record = bytes.subarray(start, end)
    if (record.includes(0)) return 'The row contains a NUL character or half a surrogate pair.'
    return isUtf8(record) ? null : 'The row is not valid UTF-8. Save the file as UTF-8.'
  }
}

function lineFinder(bytes: Buffer, ending: number) {
  return (start: number): Found => {
    const end = bytes.indexOf(ending, start)
    return end < 0 ? 'unfinished' : { end, lines: 1, isQuoted: false }
  }
}

function recordFinder(bytes: Buffer, ending: number, delimiter: number) {
  // Looked up once for all records before it: most files have few quotes.
  let quote = bytes.indexOf(QUOTE)
  return (start: number): Found => {
    let end = bytes.indexOf(ending, start)
    let from = start
    for (;;) {
      if (quote >= 0 && quote < from) quote = bytes.indexOf(QUOTE, from)
      if (quote < 0 || (end >= 0 && quote > end)) {
        if (end < 0) return 'unfinished'
        if (from === start) return { end, lines: 1, isQuoted: false }
        return { end, lines: 1 + count(bytes, ending, start, end), isQuoted: true }
      }
      const open = quote
      if (open !== start && bytes[open - 1] !== delimiter) return { open, isStray: true }
      const close = closingQuote(bytes, open)
      if (close < 0) return { open, isStray: false }
      const after = bytes[close + 1]
      const isReturn = after === RETURN && ending === NEWLINE
      if (isReturn && close + 2 >= bytes.length) return { open, isStray: false }
      const isEnd = after === ending || (isReturn && bytes[close + 2] === ending)
      if (!isEnd && after !== delimiter) return { open, isStray: true }
      from = close + 1
      // A delimiter may be followed by the next opening quote.
      if (end >= 0 && end < from) end = bytes.indexOf(ending, from)
    }
  }
}

/** -1 where it is not in these bytes, or may be the first of two. */
function closingQuote(bytes: Buffer, open: number): number {
  let close = bytes.indexOf(QUOTE, open + 1)
  while (close >= 0 && bytes[close + 1] === QUOTE) close = bytes.indexOf(QUOTE, close + 2)
  return close + 1 < bytes.length ? close : -1
}

function quoteReason(line: number, isStray: boolean): string {
  return isStray
    ? `The quote on line ${line} is neither at the start nor at the end of a field. Double a quote that is part of a value, and put the value in quotes.`
    : `The quote that opens on line ${line} is not closed (a row has at most ${MAX_RECORD} bytes).`
}

function count(bytes: Buffer, byte: number, start: number, end: number): number {
  let found = 0
  for (let at = bytes.indexOf(byte, start); at >= 0 && at < end; at = bytes.indexOf(byte, at + 1)) found += 1
  return found
}

/** The text of a rejected row, cut to its first 8,192 bytes. */
export function rawText(bytes: Buffer, start: number, end: number): string {
  return bytes.toString('utf8', start, Math.min(end, start + MAX_RAW)).replace(/\r$/, '')
}
