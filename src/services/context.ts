import type { DriverRegistry } from '../destinations/registry.ts'
import type { Clock, Guardrails, Logger, Messenger, NewId, Vault } from '../domain/ports.ts'
import type { Database } from '../storage/database.ts'

/** What every service is built from. */
export interface ServiceContext {
  database: Database
  clock: Clock
  newId: NewId
  log: Logger
  guardrails: Guardrails
  drivers: DriverRegistry
  vault: Vault
  messenger: Messenger
}
