import { compose } from '../compose.ts'
import type { Config } from '../config.ts'
import { createLogger } from '../logger.ts'
import { runUntilStopped } from './lifetime.ts'
import { paint, print } from './output.ts'

/** Runs API and engine until a signal. The first start prints the administrator's token, once. */
export async function serve(config: Config): Promise<void> {
  const log = createLogger(config)
  if (config.adminToken && config.adminToken.length < 16) {
    log.warn({}, 'ADMIN_TOKEN is short and can be guessed; use 32 random characters')
  }
  const gateway = await compose(config, { log })
  await runUntilStopped(gateway, log, async () => {
    const { url, adminToken } = await gateway.start({ api: true, engine: true })
    if (adminToken) {
      print(paint('bold', 'Administrator token, shown only this once:'))
      print(`  ${adminToken}`)
    }
    print(`listening on ${url}`)
  })
}
