// ISO 8601 as this gateway reads it: YYYY-MM-DD, or that and HH:MM[:SS[.fraction]] after T or a space, then Z, ±HH:MM
// or nothing. A date is midnight; without a zone it is UTC. Days, hours and seconds that do not exist (2023-02-30,
// 24:00, :60) are no instants. storage/sqlite-json.ts says the same in SQL.
const ISO =
  /^(\d{4}-(\d{2})-(\d{2}))(?:[T ]([0-2]\d:[0-5]\d)(?::([0-5]\d)(?:\.(\d{1,9}))?)?(?:Z|([+-])([0-2]\d):([0-5]\d))?)?$/
const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

/** Milliseconds since 1970, cut after the millisecond, or null where the text is no ISO date or date-time. */
export function parseInstant(text: string): number | null {
  const match = ISO.exec(text)
  if (!match) return null
  const [
    ,
    date = '',
    ,
    day = '',
    time = '00:00',
    seconds = '00',
    fraction = '',
    sign,
    hours = '00',
    minutes = '00',
  ] = match
  if (time >= '24' || hours >= '24') return null
  const local = Date.parse(`${date}T${time}:${seconds}Z`)
  // Date.parse moves 2023-02-30 into March: the day then differs.
  if (Number.isNaN(local) || new Date(local).getUTCDate() !== Number(day)) return null
  const offset = (Number(hours) * 60 + Number(minutes)) * MINUTE_MS * (sign === '-' ? -1 : 1)
  return local + Number(fraction.padEnd(3, '0').slice(0, 3)) - offset
}

/** The earliest and the latest millisecond that lie within the last `days`. */
export function lastDays(days: number, now: Date): { from: number; to: number } {
  return { from: Math.floor(now.getTime() - days * DAY_MS) + 1, to: now.getTime() }
}
