// Times of a cron pattern, by croner. All of them UTC: there is no daylight saving to lose or double an hour.
import { Cron as Croner } from 'croner'
import type { Cron } from './domain/ports.ts'

/**
 * The moments of a pattern of five fields: minute, hour, day of the month, month, day of the week.
 * @throws Error with what is wrong with the pattern, in a sentence
 */
export function cron(pattern: string): Cron {
  const times = parsed(pattern)
  if (!times.nextRun()) throw new Error(`${JSON.stringify(pattern)} never comes: no year has such a day`)
  return {
    next: (after) => times.nextRun(after),
    // What croner looks back from is not looked at itself.
    latest: (upTo) => times.previousRuns(1, new Date(upTo.getTime() + 1))[0] ?? null,
  }
}

function parsed(pattern: string): Croner {
  try {
    return new Croner(pattern, { mode: '5-part', timezone: 'Etc/UTC', paused: true })
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^CronPattern: /, '') : 'it cannot be read'
    throw new Error(`${JSON.stringify(pattern)} is no cron pattern: ${why}`, { cause: error })
  }
}
