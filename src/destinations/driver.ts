// The small interface between the engine and every kind of destination.
//
// A FILE driver receives bytes and makes files appear whole or not at all: parts are written under temporary names
// that carry the run's id, then published together, then the manifest. Every step may be repeated after a crash.
import type { z } from 'zod'
import type { FinishedPart } from '../domain/model.ts'
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
  /** Opens a run's delivery. @throws DeliveryError */
  deliverFiles?(target: DeliveryTarget): Promise<FileDelivery>
}

export interface DriverAccount {
  /** What anybody may read who may read the account: a host, a user's name. */
  settings: z.ZodType<Record<string, unknown>>
  /** What nobody reads again: passwords, keys. Stored sealed. */
  secrets: z.ZodType<Record<string, unknown>>
  /**
   * Logs in, and changes nothing there. Ends when the signal aborts.
   * @throws DeliveryError with the destination's own words when it refuses, or cannot be reached
   */
  verify(account: OpenAccount, signal: AbortSignal): Promise<void>
}

/** An account with its secrets opened. It lives as long as one login or one delivery, and is never logged. */
export interface OpenAccount {
  settings: Record<string, unknown>
  secrets: Record<string, unknown>
}

export interface DeliveryTarget {
  runId: string
  /** The claim's fencing token: a worker that was thought dead writes to names of its own. */
  fence: number
  settings: Record<string, unknown>
  /** Null for a driver without accounts. */
  account: OpenAccount | null
  signal: AbortSignal
  log: Logger
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
  /** Resolves when the part is safe: flushed to the disk, or acknowledged. */
  finish(): Promise<void>
  abort(): Promise<void>
}

export type DeliveryErrorCode =
  | 'BAD_SETTINGS'
  | 'SECRETS_UNREADABLE'
  | 'REFUSED_LOGIN'
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
  constructor(code: DeliveryErrorCode, message: string, options: { retryable: boolean; cause?: unknown }) {
    super(message, { cause: options.cause })
    this.code = code
    this.retryable = options.retryable
  }
}
