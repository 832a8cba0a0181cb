import { GraphQLError, Kind, type ValueNode } from 'graphql'
import { isDay } from '../domain/schedule.ts'
import { builder } from './builder.ts'
import { isoTime } from './iso-time.ts'

const MAX_JSON_DEPTH = 20
const DATE_TIME = /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/

builder.scalarType('DateTime', {
  description:
    'RFC 3339 date-time in UTC with millisecond precision, e.g. 2026-11-22T09:30:00.000Z. As input any offset is accepted; years 1970 to 9999; moments that do not exist are refused.',
  specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc3339',
  serialize: isoTime,
  parseValue: parseDateTime,
})
builder.scalarType('Date', {
  description: 'Calendar date, e.g. 2026-11-22; years 1970 to 9999. Days that do not exist are refused.',
  specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc3339',
  serialize: (value) => value,
  parseValue: parseDate,
})
builder.scalarType('JSON', {
  description:
    "Any JSON value, nested at most 20 deep. Used only where the shape is the user's own: profile attributes, driver settings.",
  specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc8259',
  serialize: (value) => value,
  // graphql-js hands null to no scalar.
  parseValue: (value) => checkJson(value as NonNullable<unknown>),
  parseLiteral: (node) => checkJson(literalToJson(node) as NonNullable<unknown>),
})
builder.scalarType('BigInt', {
  description:
    'A signed 64-bit integer. Counters of profiles and bytes pass 2^31. Sent as a JSON number, which is exact up to 2^53; as input a number or a string of digits.',
  serialize: (value) => value,
  parseValue: parseBigInt,
  parseLiteral: (node) => {
    if (node.kind === Kind.INT || node.kind === Kind.STRING) return parseBigInt(node.value)
    throw refuse('BigInt must be an integer.')
  },
})

/** @throws GraphQLError for anything but a strict RFC 3339 date-time that exists */
export function parseDateTime(value: unknown): Date {
  const rule = 'DateTime must be an RFC 3339 date-time that exists, e.g. 2026-11-22T09:30:00.000Z.'
  const match = typeof value === 'string' && value.length <= 40 ? DATE_TIME.exec(value) : null
  if (!match || !isDay(match[1] ?? '')) throw refuse(rule)
  const [, , hour, minute, second, , , offsetHour = 0, offsetMinute = 0] = match.map(Number)
  const isTime = Number(hour) < 24 && Number(minute) < 60 && Number(second) < 60
  if (!isTime || offsetHour > 23 || offsetMinute > 59) throw refuse(rule)
  const date = new Date(match[0].toUpperCase())
  const year = date.getUTCFullYear()
  if (Number.isNaN(date.getTime()) || year < 1970 || year > 9999) throw refuse(rule)
  return date
}

/** @throws GraphQLError for anything but YYYY-MM-DD of a day that exists */
export function parseDate(value: unknown): string {
  if (typeof value === 'string' && isDay(value)) return value
  throw refuse('Date must be a day that exists, written YYYY-MM-DD, e.g. 2026-11-22.')
}

/** @throws GraphQLError for what is no integer, or cannot be held exactly */
export function parseBigInt(value: unknown): number {
  const isDigits = typeof value === 'string' && /^-?\d{1,19}$/.test(value)
  const number = isDigits ? Number(value) : value
  if (typeof number === 'number' && Number.isSafeInteger(number)) return number
  throw refuse('BigInt must be an integer between -9007199254740991 and 9007199254740991.')
}

/** Refuses what JSON.parse lets through and plain objects do not bear. */
export function checkJson<T>(value: T, depth = 0): T {
  if (typeof value !== 'object' || value === null) return value
  if (depth >= MAX_JSON_DEPTH) throw refuse(`JSON must be nested at most ${MAX_JSON_DEPTH} deep.`)
  if (Object.hasOwn(value, '__proto__')) throw refuse('JSON must not have a key "__proto__".')
  for (const inner of Object.values(value)) checkJson(inner, depth + 1)
  return value
}

function literalToJson(node: ValueNode): unknown {
  switch (node.kind) {
    case Kind.NULL:
      return null
    case Kind.INT:
    case Kind.FLOAT:
      return Number(node.value)
    case Kind.LIST:
      return node.values.map(literalToJson)
    case Kind.OBJECT:
      // defineProperty semantics: a key "__proto__" stays a key, for checkJson to refuse.
      return Object.fromEntries(node.fields.map((field) => [field.name.value, literalToJson(field.value)]))
    case Kind.VARIABLE:
      throw refuse('A variable inside a JSON literal is not supported: pass the whole value as a variable.')
    default:
      return node.value
  }
}

function refuse(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'BAD_USER_INPUT' } })
}
