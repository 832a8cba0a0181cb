import { once } from 'node:events'
import type { Logger } from '../domain/ports.ts'
import { dropLoadingGarbage } from './memory.ts'
import { stopSignal } from './signals.ts'

const DRAIN_MS = 9_500

/**
 * Starts a gateway, keeps it until SIGINT or SIGTERM, then drains it in less than ten seconds; a second signal ends
 * the process at once. After an error that nobody caught the state is unknown: the process ends, and the next one
 * takes its runs over.
 */
export async function runUntilStopped(
  gateway: { stop(): Promise<void> },
  log: Logger,
  start: () => Promise<void>,
): Promise<void> {
  const die = (error: unknown) => {
    log.error({ error }, 'an error that nobody caught; the process ends')
    process.exit(1)
  }
  process.on('uncaughtException', die)
  process.on('unhandledRejection', die)
  const stop = stopSignal(() => log.info({}, 'stopping; a second signal stops at once'))
  try {
    await start()
    dropLoadingGarbage()
    if (!stop.signal.aborted) await once(stop.signal, 'abort')
  } finally {
    const overdue = setTimeout(() => {
      log.warn({}, 'stopped before everything had drained; another process takes the runs over')
      process.exit(process.exitCode ?? (stop.signal.aborted ? 0 : 1))
    }, DRAIN_MS)
    overdue.unref() // goes on counting when stopping fails, without holding an end that needs no help
    await gateway.stop()
    clearTimeout(overdue)
  }
  log.info({}, 'stopped')
}
