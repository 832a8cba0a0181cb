// What the inner rings need of the outside, and nothing of how it is done.
import type { Noun, Role } from './model.ts'

/** The time; tests hand in their own. */
export type Clock = () => Date
export type NewId = (noun: Noun) => string
/** Where something may have changed. A hint only: whoever waits polls as well. */
export interface Wake {
  /** Topics: `runs` (the queue), `jobs` (segmentation), `run:<id>` (a run's log), `run-logs` (any run's), `mappings:<destination id>`. */
  notify(topic: string): void
  /** Resolves at the next notify of the topic, after `ms` at the latest, or when the signal aborts; leaves nothing behind. */
  wait(topic: string, ms: number, signal?: AbortSignal): Promise<void>
}
/** Times that come again, UTC. */
export interface Cron {
  /** The first one after the moment; null when none is left. */
  next(after: Date): Date | null
  /** The last one up to the moment, itself included; null when there was none. */
  latest(upTo: Date): Date | null
}
/** How the scheduler of a process stands. */
export interface SchedulerStanding {
  /** When it last came on with its look at all schedules; null: not yet. */
  heartbeatAt: Date | null
  /** For how long the oldest slot waits that is due, or else for how long the scheduler is overdue itself. */
  lagMs: number
  isAlive: boolean
}
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
/** Seals what must not be read from the database alone. */
export interface Vault {
  /** `boundTo` is the row's id: what is sealed for one row does not open for another. */
  seal(plain: string, boundTo: string): string
  /** @throws Error for what was damaged, sealed under another key, or bound to something else */
  open(sealed: string, boundTo: string): string
}
/** Sends messages, signed after the scheme of Standard Webhooks, to addresses that people gave. */
export interface Messenger {
  /** What is wrong with an address that somebody wants stored, as a sentence; null: nothing that can be seen. */
  refusalOf(url: string): string | null
  newSecret(): string
  isSecret(text: string): boolean
  /** One for which nothing is to be done. */
  testMessage(id: string, at: Date): { id: string; body: string }
  /**
   * Resolves when the endpoint has taken the message.
   * @throws DeliveryError in the endpoint's words, the signal's reason when it aborts
   */
  send(
    message: { id: string; body: string },
    endpoint: { url: string; secret: string },
    signal: AbortSignal,
  ): Promise<void>
}
/** An issuer of JWTs outside of the gateway that is trusted, from configuration. */
export interface TrustedIssuer {
  /** The `iss` of its tokens. */
  issuer: string
  jwksUrl: string
  /** What the `aud` of a token for this gateway holds. */
  audience: string
  /** The claim that gives roles: the words or the list in it, each through `roles`. */
  roleClaim: string
  roles: Record<string, Role>
  /** The claim with the only sandbox that the token is good for; null: there is none. */
  sandboxClaim: string | null
  /** The claim with the destinations of a partner; null: there is none. */
  destinationsClaim: string | null
}
/** For how many days what has ended is kept; null: for good. From configuration. */
export interface Retention {
  /** The story of a run after its end; its last event stays as long as the run. */
  runEventsDays: number | null
  rejectionsDays: number | null
  /** Runs themselves, with their files' names; of each mapping the latest stay. */
  runsDays: number | null
  idempotencyKeysDays: number
  /** Snapshots that nothing needs. Their members go as soon as that. */
  snapshotsDays: number | null
  auditDays: number | null
}
/** The limits that the gateway enforces, from configuration. */
export interface Guardrails {
  maxSegmentsPerActivation: number
  minSecondsBetweenMappingAndAdHoc: number
  maxRowsPerFile: number
  maxSegmentsPerDestination: number
  maxFieldsPerDataflow: number
  maxDestinationsPerSandbox: number
  maxPageSize: number
  maxQueryDepth: number
  maxQueryCost: number
}
