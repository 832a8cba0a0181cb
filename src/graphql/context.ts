import type { DriverRegistry } from '../destinations/registry.ts'
import type { Session } from '../domain/access.ts'
import type { Clock, Cron, Guardrails, Logger } from '../domain/ports.ts'
import type { ActivationService } from '../services/activation.ts'
import type { AuditService } from '../services/audit.ts'
import type { DataflowService } from '../services/dataflow.ts'
import type { DestinationService } from '../services/destination.ts'
import type { DestinationAccountService } from '../services/destination-account.ts'
import type { NotificationTargetService } from '../services/notification-target.ts'
import type { ProfileService } from '../services/profile.ts'
import type { RunService } from '../services/run.ts'
import type { SandboxService } from '../services/sandbox.ts'
import type { SegmentService } from '../services/segment.ts'
import type { TokenService } from '../services/token.ts'
import type { Database } from '../storage/database.ts'
import type { LiveParts } from './live-parts.ts'
import { createLoaders, type Loaders } from './loaders.ts'
import { createPages, type Pages } from './pages.ts'
import { createStores, type Stores } from './stores.ts'

/** What the API is built from; compose.ts has it. */
export interface ApiParts extends LiveParts {
  database: Database
  services: {
    segment: SegmentService
    destination: DestinationService
    destinationAccount: DestinationAccountService
    dataflow: DataflowService
    activation: ActivationService
    run: RunService
    notificationTarget: NotificationTargetService
    profile: ProfileService
    token: TokenService
    sandbox: SandboxService
    audit: AuditService
  }
  drivers: DriverRegistry
  guardrails: Guardrails
  /** Of SEGMENTATION_CRON; null: segments are evaluated on request only. */
  segmentationTimes: Cron | null
  clock: Clock
  log: Logger
}

/** How much of its rate limit a caller has left. */
export interface RateState {
  limit: number
  remaining: number
  resetAt: Date
  /** Whole seconds until then, at least 1. */
  secondsLeft: number
}

/** What a resolver is given: one operation of one session. */
export interface ApiContext {
  session: Session
  rate: RateState
  parts: ApiParts
  stores: Stores
  loaders: Loaders
  pages: Pages
}

export type NewContext = ReturnType<typeof contextFactory>

/** Builds contexts over one set of stores. */
export function contextFactory(parts: ApiParts) {
  const stores = createStores(parts.database)
  return (session: Session, rate: RateState): ApiContext => ({
    session,
    rate,
    parts,
    stores,
    loaders: createLoaders(stores, parts, session),
    pages: createPages(stores, parts, session),
  })
}
