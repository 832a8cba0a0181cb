// What kind of value a cell of text holds, and which type a whole column has.
//
// A column's type is one for the whole file, so that a rule never meets numbers in one row and words in the
// next. Text is never guessed at: `00123`, `+4670…`, `1e400`, `NaN`, `yes` and 2023-02-30 stay text.

/** MIXED: the values disagree; from a file, all of them are kept as text. */
export type AttributeType = 'STRING' | 'NUMBER' | 'BOOLEAN' | 'DATE_TIME' | 'MIXED'

/** Kinds of values, as bits: the kinds of a column are or-ed together. */
export const KIND = {
  NONE: 0,
  NUMBER: 1,
  BOOLEAN: 2,
  DATE: 4,
  /** Digits that are not a plain number, such as 00123, +4670 or more digits than a number can carry. */
  DIGITS: 8,
  TEXT: 16,
  /** A list. */
  OTHER: 32,
} as const

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/
const DIGITS = /^[+-]?\d+$/
const DATE =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ]([01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)?)?$/
const BOOLEANS = new Set(['true', 'True', 'TRUE', 'false', 'False', 'FALSE'])
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** The kind of a cell; NONE for a blank one. */
export function kindOf(text: string): number {
  const first = text.charCodeAt(0)
  if ((first >= 48 && first <= 57) || first === 45 || first === 43) {
    if (NUMBER.test(text) && isExact(Number(text))) return KIND.NUMBER
    if (DIGITS.test(text)) return KIND.DIGITS
    return isDate(text) ? KIND.DATE : KIND.TEXT
  }
  if (isBlank(text)) return KIND.NONE
  return BOOLEANS.has(text) ? KIND.BOOLEAN : KIND.TEXT
}

/** The kind of a JSON value; NONE for null and for objects, whose members have kinds of their own. */
export function kindOfJson(value: unknown): number {
  if (typeof value === 'string') return isDate(value) ? KIND.DATE : KIND.TEXT
  if (typeof value === 'number') return KIND.NUMBER
  if (typeof value === 'boolean') return KIND.BOOLEAN
  return Array.isArray(value) ? KIND.OTHER : KIND.NONE
}

/** The one type of values of these kinds; null where there was no value at all. */
export function typeOf(kinds: number): AttributeType | null {
  if (kinds === KIND.NONE) return null
  if (kinds === KIND.NUMBER) return 'NUMBER'
  if (kinds === KIND.BOOLEAN) return 'BOOLEAN'
  if (kinds === KIND.DATE) return 'DATE_TIME'
  // Numbers among identifiers are identifiers: 12345 next to 00123.
  const isIdentifier = (kinds & KIND.DIGITS) !== 0 && (kinds & ~(KIND.DIGITS | KIND.NUMBER)) === 0
  const isText = (kinds & ~(KIND.DIGITS | KIND.TEXT)) === 0
  return isIdentifier || isText ? 'STRING' : 'MIXED'
}

/** Finite, and not an integer beyond ±(2^53 − 1), whose last digits would be lost. */
export function isExact(value: number): boolean {
  return Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value))
}

/** Blank is no value. */
export function isBlank(text: string): boolean {
  return text.length === 0 || text.trim().length === 0
}

/** An ISO 8601 date or date-time that exists; without a zone it means UTC. */
export function isDate(text: string): boolean {
  if (text.length < 10 || text.charCodeAt(4) !== 45) return false
  const match = DATE.exec(text)
  if (!match) return false
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])]
  const isLeapDay = month === 2 && day === 29 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return day >= 1 && (day <= (DAYS[month - 1] ?? 0) || isLeapDay)
}
