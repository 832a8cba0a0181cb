// From a bearer token and a sandbox's name to a session: the same for HTTP, SSE, WebSocket and the import.
import type { Session } from '../domain/access.ts'
import { AccessError, Unavailable } from '../domain/errors.ts'
import type { ApiParts, RateState } from '../graphql/context.ts'
import type { Limits } from './rate-limit.ts'

export interface Credentials {
  /** The value of the Authorization header, or its like. */
  authorization: string | null | undefined
  /** The value of x-sandbox-name; `prod` when absent. */
  sandboxName: string | null | undefined
  /** Where the request comes from: failures are counted per address. */
  address: string
}
export interface Denial {
  status: 401 | 403 | 429 | 503
  code: 'UNAUTHENTICATED' | 'FORBIDDEN' | 'RATE_LIMITED' | 'UNAVAILABLE'
  message: string
  retryAfterSeconds?: number
  /** The token's own limit, when that is what was passed. */
  rate?: RateState
}
export interface Admission {
  session: Session
  rate: RateState
  /** For every operation on a connection that stays: whether the session is still good, counted as a request. */
  again(): Promise<{ rate: RateState } | { denied: Denial }>
}
export type Authenticate = (credentials: Credentials) => Promise<Admission | { denied: Denial }>

const INVALID: Denial = { status: 401, code: 'UNAUTHENTICATED', message: 'The token is not valid.' }
const NO_TOKEN = 'This needs an Authorization header with a bearer token.'

/** Makes the one way in. A good token is served whatever others from its address have tried. */
export function authenticator({ services }: Pick<ApiParts, 'services'>, limits: Limits): Authenticate {
  const { token, sandbox } = services

  const count = (tokenId: string): { rate: RateState } | { denied: Denial } => {
    const { isAllowed, ...rate } = limits.requests.take(tokenId)
    return isAllowed ? { rate } : { denied: { ...tooMany(rate), rate } }
  }

  return async ({ authorization, sandboxName, address }) => {
    const bearer = /^Bearer +(\S+)$/i.exec(authorization?.trim() ?? '')?.[1]
    const identity = bearer ? await token.authenticate(bearer).catch(denialOf) : null
    if (identity && 'denied' in identity) return identity
    if (!identity) {
      if (!authorization) return { denied: { ...INVALID, message: NO_TOKEN } }
      const attempt = limits.failures.take(address)
      return { denied: attempt.isAllowed ? INVALID : tooMany(attempt) }
    }
    const { sandboxId, ...who } = identity
    const row = await sandbox.byName(sandboxName ?? 'prod')
    if (!row || (sandboxId !== null && sandboxId !== row.id)) {
      const message = 'This token is not good for a sandbox of that name. See the header x-sandbox-name.'
      return { denied: { status: 403, code: 'FORBIDDEN', message } }
    }
    const counted = count(identity.tokenId)
    if ('denied' in counted) return counted
    const { id, name, title } = row
    const session = { ...who, sandbox: { id, name, title } }
    return {
      session,
      rate: counted.rate,
      again: async () => ((await token.isLive(session)) ? count(session.tokenId) : { denied: INVALID }),
    }
  }
}

/** An outside issuer's token may be good and of no use here, or beyond checking for now. */
function denialOf(error: unknown): { denied: Denial } {
  if (error instanceof AccessError)
    return { denied: { status: 403, code: 'FORBIDDEN', message: error.message } }
  if (!(error instanceof Unavailable)) throw error
  return { denied: { status: 503, code: 'UNAVAILABLE', message: error.message, retryAfterSeconds: 5 } }
}

function tooMany({ secondsLeft }: RateState): Denial {
  const message = `Too many requests; try again in ${secondsLeft} seconds.`
  return { status: 429, code: 'RATE_LIMITED', message, retryAfterSeconds: secondsLeft }
}
