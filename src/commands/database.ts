// The commands that work on the database itself, with the server running or not.
import fs from 'node:fs'
import type { Config } from '../config.ts'
import { createMessenger } from '../destinations/messenger.ts'
import { createOutbound } from '../destinations/outbound.ts'
import { driverRegistry } from '../destinations/registry.ts'
import type { Session } from '../domain/access.ts'
import { createLogger } from '../logger.ts'
import { loadSecretsKeys } from '../secrets-key.ts'
import type { ServiceContext } from '../services/context.ts'
import { sandboxService } from '../services/sandbox.ts'
import { newId } from '../storage/ids.ts'
import { openDatabase } from '../storage/open.ts'
import { createVault } from '../vault.ts'
import { Failure } from './failure.ts'

/** What a command on the database works with. Its session is an administrator's: whoever can open the file is one. */
export interface LocalAccess {
  ctx: ServiceContext
  session: Session
}

/**
 * Opens and migrates the database, does the work in a sandbox, and closes the database again.
 * @throws Failure naming the sandboxes there are when there is none of that name
 */
export async function withDatabase<T>(
  config: Config,
  sandboxName: string,
  work: (access: LocalAccess) => Promise<T>,
): Promise<T> {
  const database = openDatabase(config.databaseUrl)
  try {
    await database.migrate()
    const outbound = createOutbound({ allow: config.outboundAllow })
    const ctx: ServiceContext = {
      database,
      clock: () => new Date(),
      newId,
      log: createLogger(config),
      guardrails: config.guardrails,
      drivers: driverRegistry({ exportRoot: config.exportRoot, outbound }),
      vault: createVault(() => loadSecretsKeys(config)),
      messenger: createMessenger(outbound),
    }
    return await work({ ctx, session: await localSession(ctx, sandboxName) })
  } finally {
    await database.close()
  }
}

/**
 * The file of the database, for commands that make none.
 * @throws Failure when there is none
 */
export function requireDatabase({ databaseUrl }: Config): string {
  const file = databaseUrl.replace(/^file:/, '')
  if (!databaseUrl.startsWith('file:') || fs.existsSync(file)) return file
  throw new Failure(`There is no database at ${file}. Set DATA_DIR or DATABASE_URL to the one that is meant.`)
}

async function localSession(ctx: ServiceContext, sandboxName: string): Promise<Session> {
  const sandboxes = sandboxService(ctx)
  const prod = await sandboxes.ensure('prod', 'Production')
  const session: Session = {
    tokenId: 'local',
    name: 'command line',
    roles: ['ADMIN'],
    sandbox: prod,
    destinationIds: null,
    expiresAt: null,
  }
  const all = await sandboxes.list(session)
  const sandbox = all.find(({ name }) => name === sandboxName)
  if (sandbox) return { ...session, sandbox }
  const names = all.map(({ name }) => name).join(', ')
  throw new Failure(`There is no sandbox ${JSON.stringify(sandboxName)}. There are: ${names}.`)
}
