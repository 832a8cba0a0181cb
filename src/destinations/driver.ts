// The small interface between the engine and every kind of destination.
//
// A FILE driver receives bytes and makes files appear whole or not at all: parts are written under temporary names
// that carry the run's id, or as uploads that are not completed, then published together, then the manifest.
//
// An API driver receives profiles and sends them in requests of its own making; what the destination takes later is
// asked for until it is settled.
//
// Every step may be repeated after a crash.
import type { z } from 'zod'
import type { FieldMapping, FinishedPart, Receipt } from '../domain/model.ts'
import type { Logger } from '../domain/ports.ts'

export interface DestinationField {
  name: string
  title: string
  required: boolean
  description?: string
}

export interface Driver {
  /** The name in the API, e.g. LOCAL_DIRECTORY. */
  type: string
  title: string
  delivery: 'FILE' | 'API'
  /** Whether `activate` may send there on demand. */
  allowsAdHoc: boolean
  /** How it is logged in at, or null where no account is needed. */
  account: DriverAccount | null
  /** Settings of a destination; `parse` gives the normalised form that is stored. */
  settings: z.ZodType<Record<string, unknown>>
  /** Fields that a mapping may or must name; empty: any column. */
  fields: DestinationField[]
  /** The same for those who log in with this account, which may have fields of its own; it asks nobody. */
  fieldsOf?(account: KnownAccount): DestinationField[]
  /** What is wrong with settings beside the account they are for, as a sentence; it asks nobody. */
  refusalOf?(settings: Record<string, unknown>, account: KnownAccount): string | null
  /** Opens a run's delivery; a FILE driver has it. @throws DeliveryError */
  deliverFiles?(target: DeliveryTarget): Promise<FileDelivery>
  /** Opens a run's delivery; an API driver has it. @throws DeliveryError */
  deliverProfiles?(target: DeliveryTarget): Promise<ProfileDelivery>
}

export interface DriverAccount {
  /** What anybody may read who may read the account: a host, a user's name. */
  settings: z.ZodType<Record<string, unknown>>
  /** What nobody reads again: passwords, keys. Stored sealed. */
  secrets: z.ZodType<Record<string, unknown>>
  /**
   * Logs in, and changes nothing there. Ends when the signal aborts. What it gives is kept with the account until its
   * settings change, and is shown: what people choose from (lists, buckets), what is trusted from now on (a host key).
   * @throws DeliveryError with the destination's own words when it refuses, or cannot be reached
   */
  verify(account: OpenAccount, signal: AbortSignal): Promise<AccountDetails>
}

/** What a destination told at the login; no secrets. */
export type AccountDetails = Record<string, unknown>
export interface KnownAccount {
  settings: Record<string, unknown>
  /** Of the last login that succeeded; null before. */
  details: AccountDetails | null
}
/** An account with its secrets opened. It lives as long as one login or one delivery, and is never logged. */
export interface OpenAccount extends KnownAccount {
  secrets: Record<string, unknown>
}

export interface DeliveryTarget {
  runId: string
  /** When the run was made; the same in every attempt. */
  createdAt: Date
  /** Whose profiles leave, as it was called then. */
  segment: { id: string; name: string }
  /** The claim's fencing token: a worker that was thought dead writes to names of its own. */
  fence: number
  settings: Record<string, unknown>
  /** Null for a driver without accounts. */
  account: OpenAccount | null
  /** What each profile's values are, in their order. */
  fields: readonly FieldMapping[]
  /**
   * Resolves when a request may be made within all of these budgets, and counts it in each at that moment. Every delivery
   * of the process through the same account draws on the same ones.
   * @throws the reason why the run was stopped
   */
  pace(...budgets: PaceBudget[]): Promise<void>
  /** Aborts when the run is stopped, and when the delivery is over: then nothing may stay connected. */
  signal: AbortSignal
  log: Logger
}

/** At most so many requests in any stretch of so many milliseconds. */
export interface PaceBudget {
  name: string
  requests: number
  perMs: number
}

export interface FileDelivery {
  /** Whether a file of that name is there already, published by somebody else. */
  exists(name: string): Promise<boolean>
  /** Starts a part under a temporary name of this claim. */
  openPart(name: string): Promise<PartWriter>
  /** Whether a part that an earlier attempt finished is still there, whole. */
  hasPart(part: FinishedPart): Promise<boolean>
  /**
   * Makes a finished part visible under its final name, and gives its location. Safe to repeat.
   * @throws DeliveryError NAME_TAKEN when another file has the name and `replace` is false
   */
  publish(part: FinishedPart, options: { replace: boolean }): Promise<string>
  /** Writes a small file whole, replacing an earlier one: the manifest. */
  putFile(name: string, content: Uint8Array): Promise<string>
  /**
   * Removes the run's temporary files, of this and of earlier attempts, from where a file of that name belongs, but for
   * the parts to keep. Safe to repeat.
   */
  discard(name: string, keep: readonly FinishedPart[]): Promise<void>
}

export interface PartWriter {
  /** The chunk's memory is used again as soon as this resolves. */
  write(chunk: Uint8Array): Promise<void>
  /**
   * Resolves when the part is safe: flushed to the disk, or acknowledged. What it gives is kept in the part, for what
   * comes after a crash; null: nothing is needed.
   */
  finish(): Promise<Receipt | null>
  abort(): Promise<void>
}

export interface SentProfile {
  /** Unique in the gateway. */
  profileId: number
  /** One for each of the target's fields, in their order. */
  values: readonly (string | number | boolean | null)[]
}
/** A profile that the destination refuses, in its own words. */
export interface RefusedProfile {
  profileId: number
  detail: string
}

export interface ProfileDelivery {
  /** How many profiles it takes at once; it is given as many, but for the last time. */
  readonly maxProfiles: number
  /**
   * Sends as many of the profiles as fit into one request, from the first on, at least one. The same profiles make the
   * same request, so that one that was sent before a crash can be told again.
   * @throws DeliveryError
   */
  send(profiles: readonly SentProfile[]): Promise<SentBatch>
  /**
   * Asks how a batch went that was pending; null: not settled yet. `profiles` reads what was sent again.
   * @throws DeliveryError
   */
  settle(receipt: Receipt, profiles: () => Promise<SentProfile[]>): Promise<RefusedProfile[] | null>
}
export interface SentBatch {
  /** Of the profiles given, how many are dealt with; refused ones included. */
  taken: number
  refused: RefusedProfile[]
  /** What to ask `settle` with; null: it is settled already. */
  pending: Receipt | null
  /** Of the request's body. */
  bytes: number
}

export type DeliveryErrorCode =
  | 'BAD_SETTINGS'
  | 'SECRETS_UNREADABLE'
  | 'REFUSED_ADDRESS'
  | 'REFUSED_LOGIN'
  | 'HOST_KEY_CHANGED'
  | 'REFUSED_WRITE'
  | 'NAME_TAKEN'
  | 'OUT_OF_SPACE'
  | 'THROTTLED'
  | 'UNAVAILABLE'

/** A delivery failed for a known reason. The code decides whether the run is tried again. */
export class DeliveryError extends Error {
  override readonly name = 'DeliveryError'
  readonly code: DeliveryErrorCode
  readonly retryable: boolean
  /** How long the destination asks to be left alone, in milliseconds. */
  readonly retryAfterMs: number | null
  constructor(
    code: DeliveryErrorCode,
    message: string,
    options: { retryable: boolean; retryAfterMs?: number; cause?: unknown },
  ) {
    super(message, { cause: options.cause })
    this.code = code
    this.retryable = options.retryable
    this.retryAfterMs = options.retryAfterMs ?? null
  }
}
