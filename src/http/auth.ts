// From a bearer token and a sandbox's name to a session: the same for HTTP, SSE, WebSocket and the import.
import type { Session } from '../domain/access.ts'
import type { Clock } from '../domain/ports.ts'
import type { ApiParts, RateState } from '../graphql/context.ts'
import { rateLimiter } from './rate-limit.ts'

export interface Credentials {
  /** The value of the Authorization header, or its like. */
  authorization: string | null | undefined
  /** The value of x-sandbox-name; `prod` when absent. */
  sandboxName: string | null | undefined
  /** Where the request comes from: failures are counted per address. */
  address: string
}
export interface Denial {
  status: 401 | 403 | 429
  code: 'UNAUTHENTICATED' | 'FORBIDDEN' | 'RATE_LIMITED'
  message: string
  retryAfterSeconds?: number
}
export interface Admission {
  session: Session
  rate: RateState
}
export type Authenticate = (credentials: Credentials) => Promise<Admission | { denied: Denial }>

const MINUTE = 60_000
const FAILURES_PER_MINUTE = 30
/** Ten thousand a second: a bound for a client gone wild, and above what one gateway serves. */
const REQUESTS_PER_MINUTE = 600_000
const NO_TOKEN = 'This needs an Authorization header with a bearer token.'

/** Makes the one way in. A good token is served whatever others from its address have tried. */
export function authenticator(parts: Pick<ApiParts, 'services' | 'clock'>): Authenticate {
  const { token, sandbox } = parts.services
  const failures = rateLimiter({ limit: FAILURES_PER_MINUTE, windowMs: MINUTE, clock: parts.clock })
  const requests = rateLimiter({ limit: REQUESTS_PER_MINUTE, windowMs: MINUTE, clock: parts.clock })

  return async ({ authorization, sandboxName, address }) => {
    const secret = /^Bearer +(\S+)$/i.exec(authorization?.trim() ?? '')?.[1]
    const identity = secret ? await token.authenticate(secret) : null
    if (!identity) {
      const attempt = authorization ? failures.take(address) : null
      if (attempt && !attempt.isAllowed) return { denied: tooMany(attempt, parts.clock) }
      const message = authorization ? 'The token is not valid.' : NO_TOKEN
      return { denied: { status: 401, code: 'UNAUTHENTICATED', message } }
    }
    const { sandboxId, ...who } = identity
    const row = await sandbox.byName(sandboxName ?? 'prod')
    if (!row || (sandboxId !== null && sandboxId !== row.id)) {
      const message = 'This token is not good for a sandbox of that name. See the header x-sandbox-name.'
      return { denied: { status: 403, code: 'FORBIDDEN', message } }
    }
    const { isAllowed, ...rate } = requests.take(identity.tokenId)
    if (!isAllowed) return { denied: tooMany(rate, parts.clock) }
    const { id, name, title } = row
    return { session: { ...who, sandbox: { id, name, title } }, rate }
  }
}

function tooMany({ resetAt }: RateState, clock: Clock): Denial {
  const retryAfterSeconds = Math.max(1, Math.ceil((resetAt.getTime() - clock().getTime()) / 1000))
  return { status: 429, code: 'RATE_LIMITED', message: 'Too many requests; wait a while.', retryAfterSeconds }
}
