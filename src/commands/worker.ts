import { compose } from '../compose.ts'
import type { Config } from '../config.ts'
import { createLogger } from '../logger.ts'
import { runUntilStopped } from './lifetime.ts'
import { print } from './output.ts'

/** Runs the engine alone until a signal. */
export async function worker(config: Config): Promise<void> {
  const log = createLogger(config)
  const gateway = await compose(config, { log })
  await runUntilStopped(gateway, log, async () => {
    await gateway.start({ api: false, engine: true })
    print(`working on ${config.databaseUrl}`)
  })
}
