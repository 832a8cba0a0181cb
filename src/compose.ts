// The composition root: builds every part, and stops them in a written order.
import { randomUUID } from 'node:crypto'
import fs from 'node:fs'
import { type Config, httpUrl } from './config.ts'
import { cron } from './cron.ts'
import { createMessenger } from './destinations/messenger.ts'
import { createOutbound } from './destinations/outbound.ts'
import { driverRegistry } from './destinations/registry.ts'
import type { Clock, Logger } from './domain/ports.ts'
import { notifier } from './engine/notifier.ts'
import { retentionWorker } from './engine/retention.ts'
import { scheduler } from './engine/scheduler.ts'
import { segmentationWorker } from './engine/segmentation.ts'
import { segmentationSchedule } from './engine/segmentation-schedule.ts'
import { runWorker } from './engine/worker.ts'
import type { ApiParts } from './graphql/context.ts'
import { liveParts } from './graphql/live-parts.ts'
import { schema } from './graphql/schema.ts'
import { anyDocument, trustedDocuments } from './graphql/trusted-documents.ts'
import { httpServer } from './http/server.ts'
import { loadSecretsKeys, requireSecretsKey } from './secrets-key.ts'
import { activationService } from './services/activation.ts'
import { auditService } from './services/audit.ts'
import { dataflowService } from './services/dataflow.ts'
import { destinationService } from './services/destination.ts'
import { destinationAccountService } from './services/destination-account.ts'
import { notificationTargetService } from './services/notification-target.ts'
import { profileService } from './services/profile.ts'
import { runService } from './services/run.ts'
import { sandboxService } from './services/sandbox.ts'
import { scheduledRunService } from './services/scheduled-run.ts'
import { segmentService } from './services/segment.ts'
import { tokenService } from './services/token.ts'
import { auditTrail } from './storage/audit-trail.ts'
import { newId } from './storage/ids.ts'
import { openDatabase } from './storage/open.ts'
import { sealedHeads } from './storage/sealed.ts'
import { createVault, HEAD_LENGTH } from './vault.ts'

const API_DRAIN_MS = 5_000

export interface Gateway extends ApiParts {
  /** Migrates, then starts what is asked for. `adminToken` is set on the first start of an API. */
  start(parts: { api: boolean; engine: boolean }): Promise<{ url: string; adminToken: string | null }>
  /** Drains: no new work, open requests end, running exports let go of their runs to be resumed. */
  stop(): Promise<void>
}

/** @throws Error with a sentence for the operator when the database or a folder cannot be used */
export async function compose(
  config: Config,
  { log, clock = () => new Date() }: { log: Logger; clock?: Clock },
): Promise<Gateway> {
  const { trail, database } = auditTrail(
    openDatabase(config.databaseUrl, { poolSize: config.databasePoolSize }),
    clock,
  )
  const outbound = createOutbound({ allow: config.outboundAllow })
  const drivers = driverRegistry({ exportRoot: config.exportRoot, outbound })
  const vault = createVault(() => loadSecretsKeys(config))
  const messenger = createMessenger(outbound)
  const processId = `proc_${randomUUID()}`
  const parts = { database, drivers, vault, clock, log, processId }
  const ctx = {
    database,
    clock,
    newId,
    log,
    guardrails: config.guardrails,
    drivers,
    vault,
    messenger,
    organizationName: config.organizationId,
  }
  const services = {
    segment: segmentService(ctx),
    destination: destinationService(ctx),
    destinationAccount: destinationAccountService(ctx),
    dataflow: dataflowService(ctx),
    activation: activationService(ctx, config.retention.idempotencyKeysDays),
    run: runService(ctx),
    notificationTarget: notificationTargetService(ctx),
    profile: profileService(ctx),
    token: tokenService(ctx, config.trustedIssuer),
    sandbox: sandboxService(ctx),
    audit: auditService({ database, trail, log }),
  }
  const { guardrails, maxSubscriptionsPerToken } = config
  const live = liveParts({ database, token: services.token, clock, log, maxSubscriptionsPerToken })
  const segmentationTimes = config.segmentationCron === null ? null : cron(config.segmentationCron)
  const api: ApiParts = { database, services, ...live, drivers, guardrails, segmentationTimes, clock, log }
  const exports = runWorker({ ...parts, concurrency: config.workers })
  const segmentation = segmentationWorker({ ...parts, newId })
  const schedules = scheduler({
    database,
    clock,
    log,
    make: scheduledRunService(ctx).make,
    segmentation: segmentationSchedule({ database, newId, log, times: segmentationTimes }),
  })
  const notifications = notifier({ ...parts, messenger })
  const forgetting = retentionWorker({ ...parts, trail, retention: config.retention })
  let isEngineRunning = false
  const { folder, only } = config.trustedDocuments
  const { maxQueryDepth } = config.guardrails
  const documents = folder === null ? anyDocument : trustedDocuments(folder, { only, schema, maxQueryDepth })
  const server = httpServer({
    parts: api,
    config,
    documents,
    isEngineRunning: () => isEngineRunning,
    scheduler: schedules.standing,
  })

  return {
    ...api,
    async start(wanted) {
      await database.migrate()
      requireSecretsKey(config, await sealedHeads(database, HEAD_LENGTH))
      loadSecretsKeys(config) // what is wrong with it is told now, not when it is first needed
      await services.sandbox.ensure('prod', 'Production')
      if (wanted.engine) {
        fs.mkdirSync(config.exportRoot, { recursive: true, mode: 0o750 })
        await database.life.register(processId)
      }
      const url = wanted.api ? httpUrl(config.host, (await server.start()).port) : ''
      // After all that may fail, and for an API alone: nobody would get to see the token of a start that failed.
      const adminToken = wanted.api ? await services.token.ensureAdmin(config.adminToken) : null
      if (wanted.engine) {
        exports.start()
        segmentation.start()
        forgetting.start()
        schedules.start()
        notifications.start()
        isEngineRunning = true
      }
      return { url, adminToken }
    },
    async stop() {
      isEngineRunning = false
      // The engine lets go while the API still answers what came in, and watchers see it.
      await Promise.all([
        server.stop(API_DRAIN_MS),
        exports.stop(),
        segmentation.stop(),
        schedules.stop(),
        notifications.stop(),
        forgetting.stop(),
      ])
      await database.close()
    },
  }
}
