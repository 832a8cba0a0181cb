// Logs go to stderr: JSON lines, or readable lines when it is a terminal. JSON escapes line breaks, so no value can
// forge a line.
import { type DestinationStream, destination, pino } from 'pino'
import pretty from 'pino-pretty'
import type { Config } from './config.ts'
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
export function createLogger(config: Pick<Config, 'logLevel'>, sink: DestinationStream = stderr()): Logger {
  return pino(
    {
      level: config.logLevel,
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

function stderr(): DestinationStream {
  if (!process.stderr.isTTY) return destination({ fd: 2, sync: true })
  return pretty({ destination: 2, sync: true, colorize: true, translateTime: 'SYS:HH:MM:ss.l' })
}
