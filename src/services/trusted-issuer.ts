// Tokens (JWTs) of one outside issuer, an OpenID Connect provider say, that the configuration trusts. There is no row
// for them: a claim names the roles, and they are good until they expire.
import { createHash } from 'node:crypto'
import { createRemoteJWKSet, customFetch, errors, type JWTPayload, jwtVerify } from 'jose'
import type { Identity } from '../domain/access.ts'
import { AccessError, Unavailable } from '../domain/errors.ts'
import type { Role } from '../domain/model.ts'
import type { TrustedIssuer } from '../domain/ports.ts'
import { checkName, normalizeName } from '../domain/text.ts'
import { sandboxStore } from '../storage/sandbox.ts'
import type { ServiceContext } from './context.ts'

// No symmetric ones: the keys are public.
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']
/** The header's `typ` where there is one. Other JWTs of the same issuer, logout tokens say, open nothing. */
const TYPES = ['jwt', 'at+jwt', 'application/jwt', 'application/at+jwt']
const MAX_AGE_SECONDS = 24 * 60 * 60
/** How far its clock may be from ours. */
const CLOCKS_APART_SECONDS = 30
const FETCH_TIMEOUT_MS = 3_000
const FETCHED_AGAIN_MS = 30_000
const KEYS_KEPT_MS = 10 * 60_000
const PAUSE_AFTER_FAILURE_MS = 5_000
const MAX_DESTINATIONS = 250
const OUTSIDE = 'ext_'

/** Whether a session is of an outside issuer's token, which no row stands for. */
export const isOutside = (tokenId: string): boolean => tokenId.startsWith(OUTSIDE)

export function trustedIssuer(
  trusted: TrustedIssuer,
  { database, clock, log }: Pick<ServiceContext, 'database' | 'clock' | 'log'>,
) {
  const sandboxes = sandboxStore(database)
  const keyFor = issuerKeys(trusted, log)

  const sandboxIdOf = async (payload: JWTPayload, roles: Role[]): Promise<string | null> => {
    const [named] = trusted.sandboxClaim ? textsOf(payload, trusted.sandboxClaim) : []
    if (!named && roles.includes('ADMIN')) return null
    const row = await sandboxes.byName(named ?? 'prod')
    if (row) return row.id
    throw new AccessError(
      'FORBIDDEN',
      `The token's claim ${trusted.sandboxClaim} names no sandbox of this gateway.`,
    )
  }
  const identityOf = async (payload: JWTPayload): Promise<Identity> => {
    const roles = rolesOf(payload, trusted)
    const subject = payload.sub ?? ''
    return {
      tokenId:
        OUTSIDE + createHash('sha256').update(`${trusted.issuer}\n${subject}`).digest('hex').slice(0, 32),
      name: nameOf(payload),
      roles,
      sandboxId: await sandboxIdOf(payload, roles),
      destinationIds: roles.includes('PARTNER') ? destinationIdsOf(payload, trusted) : null,
      expiresAt: new Date(((payload.exp ?? 0) + CLOCKS_APART_SECONDS) * 1000),
    }
  }

  return {
    issuer: trusted.issuer,

    /**
     * Who shows the token, or null for one that is not good.
     * @throws AccessError for a good one that has no role here; Unavailable when the issuer's keys cannot be had
     */
    async identify(jwt: string): Promise<Identity | null> {
      try {
        const { payload, protectedHeader } = await jwtVerify(jwt, keyFor, {
          algorithms: ALGORITHMS,
          issuer: trusted.issuer,
          audience: trusted.audience,
          requiredClaims: ['sub', 'exp', 'iat'],
          maxTokenAge: MAX_AGE_SECONDS,
          clockTolerance: CLOCKS_APART_SECONDS,
          currentDate: clock(),
        })
        if (!TYPES.includes((protectedHeader.typ ?? 'jwt').toLowerCase())) return null
        return await identityOf(payload)
      } catch (error) {
        if (error instanceof errors.JOSEError) return null
        throw error
      }
    },
  }
}

/** The issuer's keys. They are fetched at the first token and when a new key appears, twice a minute at most. */
function issuerKeys({ jwksUrl }: TrustedIssuer, log: ServiceContext['log']) {
  let pausedUntil = 0
  const keys = createRemoteJWKSet(new URL(jwksUrl), {
    timeoutDuration: FETCH_TIMEOUT_MS,
    cooldownDuration: FETCHED_AGAIN_MS,
    cacheMaxAge: KEYS_KEPT_MS,
    // An issuer that is down is not asked again for every request that waits for it.
    [customFetch]: (url, options) => {
      if (Date.now() < pausedUntil) throw new Error('the last attempt has failed a moment ago')
      return fetch(url, options)
    },
  })
  return async (...asked: Parameters<typeof keys>): ReturnType<typeof keys> => {
    try {
      return await keys(...asked)
    } catch (error) {
      const isToken =
        error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys
      if (isToken) throw error
      if (Date.now() >= pausedUntil) {
        pausedUntil = Date.now() + PAUSE_AFTER_FAILURE_MS
        log.error({ error, jwksUrl }, 'the keys of the trusted issuer cannot be fetched')
      }
      throw new Unavailable("The keys of the token's issuer cannot be had for now.", { cause: error })
    }
  }
}

/** @throws AccessError */
function rolesOf(payload: JWTPayload, { roleClaim, roles }: TrustedIssuer): Role[] {
  const found = new Set(
    textsOf(payload, roleClaim).flatMap((value) => (Object.hasOwn(roles, value) ? (roles[value] ?? []) : [])),
  )
  if (found.size === 0) {
    throw new AccessError('FORBIDDEN', `The token's claim ${roleClaim} gives no role of this gateway.`)
  }
  if (found.has('PARTNER') && found.size > 1) {
    throw new AccessError('FORBIDDEN', `The token's claim ${roleClaim} gives PARTNER and another role.`)
  }
  return [...found]
}

/** @throws AccessError */
function destinationIdsOf(payload: JWTPayload, { destinationsClaim }: TrustedIssuer): string[] {
  const ids = destinationsClaim ? [...new Set(textsOf(payload, destinationsClaim))] : []
  if (ids.length > 0 && ids.length <= MAX_DESTINATIONS) return ids
  const message = `A partner's token names 1 to ${MAX_DESTINATIONS} destinations in the claim ${destinationsClaim ?? 'that OIDC_DESTINATIONS_CLAIM names'}.`
  throw new AccessError('FORBIDDEN', message)
}

/** What `requestedBy` shows: the name that the issuer gives, where it is one. */
function nameOf({ preferred_username: preferred, name, sub = '' }: JWTPayload): string {
  const candidates = [preferred, name, sub].filter((value) => typeof value === 'string')
  return normalizeName(candidates.find((value) => checkName(value, []).length === 0) ?? 'outside')
}

/** A claim's words, whether it is a list or one text. A dot leads into an object, unless the claim's name has it. */
function textsOf(payload: JWTPayload, claim: string): string[] {
  const value = Object.hasOwn(payload, claim) ? payload[claim] : claim.split('.').reduce(memberOf, payload)
  if (typeof value === 'string') return value.split(/\s+/).filter(Boolean)
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

function memberOf(value: unknown, name: string): unknown {
  const isObject = typeof value === 'object' && value !== null && Object.hasOwn(value, name)
  return isObject ? (value as Record<string, unknown>)[name] : undefined
}
