// Logs go to stderr: JSON lines, or readable lines when it is a terminal. JSON escapes line breaks, so no value can
// forge a line.
import { type DestinationStream, destination, pino } from 'pino'
import pretty from 'pino-pretty'
import type { Config } from './config.ts'
import { outageIn } from './domain/errors.ts'
import type { Logger } from './domain/ports.ts'

const SECRETS = [
  'authorization',
  'cookie',
  'token',
  'secret',
  'secrets',
  'secretHash',
  'password',
  'privateKey',
  'passphrase',
  'accessKeyId',
  'secretAccessKey',
  'sessionToken',
  'connectionString',
  'sasUrl',
  'apiKey',
  'previousSecret',
  'bearerToken',
]
const PLACES = ['', '*.', '*.*.', '*.*.*.']

/** A logger for the level of the settings. Secrets are replaced at the sink, whoever logs them. */
export function createLogger(
  config: Pick<Config, 'logLevel'>,
  sink: DestinationStream = stderr(),
  now = () => performance.now(),
): Logger {
  const fewer = fewerOutages(now)
  return pino(
    {
      level: config.logLevel,
      hooks: {
        logMethod(line, log) {
          const told = fewer(line)
          if (told) log.apply(this, told)
        },
      },
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err },
      redact: {
        paths: PLACES.flatMap((place) => SECRETS.map((name) => place + name)),
        censor: '[redacted]',
      },
    },
    sink,
  )
}

/**
 * While the database is away every loop says so, several times a second: a line that says nothing else is written once
 * in a while, with how often it was `repeated`.
 */
function fewerOutages(now: () => number) {
  const told = new Map<string, { at: number; repeated: number }>()
  return <Line extends unknown[]>(line: Line): Line | null => {
    const [fields, message] = line
    const outage = isError(fields) ? outageIn(fields.error) : null
    if (!outage) return line
    const key = `${message} ${outage.message}`
    const before = told.get(key)
    if (before && now() - before.at < OUTAGE_MS) {
      before.repeated += 1
      return null
    }
    if (told.size === MAX_OUTAGES) told.clear()
    told.set(key, { at: now(), repeated: 0 })
    return before?.repeated ? ([{ ...(fields as object), repeated: before.repeated }, message] as Line) : line
  }
}
const OUTAGE_MS = 30_000
const MAX_OUTAGES = 100

/** What a line tells of when it is an error and nothing besides. */
const isError = (fields: unknown): fields is { error: unknown } =>
  typeof fields === 'object' && fields !== null && Object.keys(fields).join() === 'error'

function stderr(): DestinationStream {
  if (!process.stderr.isTTY) return destination({ fd: 2, sync: true })
  return pretty({ destination: 2, sync: true, colorize: true, translateTime: 'SYS:HH:MM:ss.l' })
}
