// Three kinds of failure, and no others:
//   Refusal      what a caller can mend; data in the payload of a mutation, BAD_USER_INPUT elsewhere
//   AccessError  no or too little right; a top-level error
//   Unavailable  the gateway's own resources (disk, database) fail for now; try again later
// Everything else is a bug: masked outside, logged inside.

export type UserErrorCode =
  | 'INVALID_INPUT'
  | 'NOT_FOUND'
  | 'CONFLICT'
  | 'LIMIT_EXCEEDED'
  | 'IN_USE'
  | 'CONSENT_MISSING'
  | 'DESTINATION_REFUSED'
  | 'UNAVAILABLE'

export interface UserError {
  code: UserErrorCode
  /** A sentence that says what to do. */
  message: string
  /** Leads into the input, e.g. ["input", "rule", "all", "2", "attribute", "path"]. */
  path: string[]
  limit?: number
  requested?: number
  /** Id of the object that stands in the way. */
  nodeId?: string
  /** The destination's own words. */
  detail?: string
}

export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly errors: UserError[]
  constructor(errors: UserError | UserError[]) {
    const list = Array.isArray(errors) ? errors : [errors]
    super(list.map((error) => error.message).join(' '))
    this.errors = list
  }
}

export const invalid = (path: string[], message: string): UserError => ({
  code: 'INVALID_INPUT',
  message,
  path,
})
/** The same words for what never was, what is in another sandbox, and what the caller may not see. */
export const notFound = (noun: string, id: string, path: string[]): UserError => ({
  code: 'NOT_FOUND',
  message: `There is no ${noun} with id ${JSON.stringify(id.slice(0, 80))}.`,
  path,
})

export class AccessError extends Error {
  override readonly name = 'AccessError'
  readonly code: 'UNAUTHENTICATED' | 'FORBIDDEN'
  constructor(code: 'UNAUTHENTICATED' | 'FORBIDDEN', message: string) {
    super(message)
    this.code = code
  }
}

export class Unavailable extends Error {
  override readonly name = 'Unavailable'
  readonly code = 'UNAVAILABLE'
}

/** The outage that an error speaks of, or was caused by; null for any other error. */
export function outageIn(error: unknown): Unavailable | null {
  if (error instanceof Unavailable) return error
  return error instanceof Error && error.cause !== undefined ? outageIn(error.cause) : null
}

/** Codes of errors by which a connection fails since TLS does not come about, or the other side cannot be trusted. */
export const TLS_FAILURE =
  /^(ERR_TLS|ERR_SSL|EPROTO$|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH)/
