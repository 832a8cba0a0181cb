// The commands that work on the database itself, with the server running or not.
import { randomUUID } from 'node:crypto'
import fs from 'node:fs'
import { userInfo } from 'node:os'
import type { Config } from '../config.ts'
import { createMessenger } from '../destinations/messenger.ts'
import { createOutbound } from '../destinations/outbound.ts'
import { driverRegistry } from '../destinations/registry.ts'
import type { Session } from '../domain/access.ts'
import { Refusal } from '../domain/errors.ts'
import { createLogger } from '../logger.ts'
import { loadSecretsKeys } from '../secrets-key.ts'
import { type AuditService, auditService } from '../services/audit.ts'
import type { ServiceContext } from '../services/context.ts'
import { sandboxService } from '../services/sandbox.ts'
import { auditTrail } from '../storage/audit-trail.ts'
import type { Database } from '../storage/database.ts'
import type { Actor } from '../storage/deed.ts'
import { newId } from '../storage/ids.ts'
import { openDatabase } from '../storage/open.ts'
import { createVault } from '../vault.ts'
import { Failure } from './failure.ts'

/** What a command on the database works with. Its session is an administrator's: whoever can open the file is one. */
export interface LocalAccess {
  ctx: ServiceContext
  session: Session
  audit: AuditService
  /** Whoever calls this command, for the audit log. */
  actor: Actor
}

/**
 * Opens and migrates the database, does the work in a sandbox, and closes the database again.
 * @throws Failure naming the sandboxes there are when there is none of that name
 */
export async function withDatabase<T>(
  config: Config,
  sandboxName: string,
  operation: string,
  work: (access: LocalAccess) => Promise<T>,
): Promise<T> {
  const clock = () => new Date()
  const { trail, database } = auditTrail(openDatabase(config.databaseUrl), clock)
  const log = createLogger(config)
  try {
    await database.migrate()
    const outbound = createOutbound({ allow: config.outboundAllow })
    const ctx: ServiceContext = {
      database,
      clock,
      newId,
      log,
      guardrails: config.guardrails,
      drivers: driverRegistry({ exportRoot: config.exportRoot, outbound }),
      vault: createVault(() => loadSecretsKeys(config)),
      messenger: createMessenger(outbound),
    }
    const session = await localSession(ctx, sandboxName)
    const audit = auditService({ database, trail, log })
    return await work({ ctx, session, audit, actor: localActor(operation, session.sandbox) })
  } finally {
    await database.close()
  }
}

/** Whoever can open the database, as the audit log calls him. */
export function localActor(operation: string, sandbox: { id: string } | null): Actor {
  const session = { tokenId: 'local', name: `command line, ${userInfo().username}`, sandbox }
  return { session, operation: `cli ${operation}`, requestId: randomUUID() }
}

/** Does what changes something in one batch, with a line in the audit log. */
export function audited<T>({ audit, actor }: LocalAccess, work: () => Promise<T>): Promise<T> {
  const codes = {
    ofValue: () => [],
    ofError: (error: unknown) =>
      error instanceof Refusal ? error.errors.map(({ code }) => code) : ['INTERNAL_SERVER_ERROR'],
  }
  return audit.during(actor, { target: null, codes }, work)
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

/** Says that this process is there, too, so that two never do the same at once; gives whether it is the only one. */
export async function registered({ life }: Database): Promise<() => Promise<boolean>> {
  const id = `proc_${randomUUID()}`
  await life.register(id)
  return () => life.isAlone(id)
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
