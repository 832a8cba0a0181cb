// Access tokens of /oauth/token: JWTs that stand for an API token for ten minutes (RFC 9068). They carry who it is
// and which of its roles were asked for. What those may do is read from the API token's row at every use, so a token
// that was revoked or changed takes its JWTs along at once.
import { randomUUID } from 'node:crypto'
import { errors, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import { ROLES, type Role } from '../domain/model.ts'
import type { Row } from '../storage/tables.ts'
import { ALGORITHM, type KeyContext, signingKeys } from './signing-keys.ts'

/** Who has issued them, and for whom: the processes on one database, which alone have the keys. */
const ISSUER = 'activation-gateway'
const TYPE = 'at+jwt'
const LIFETIME_SECONDS = 600
const REMEMBERED = 1_000

export interface AccessClaims {
  /** Of the API token. */
  tokenId: string
  roles: Role[]
  expiresAt: Date
}

export function accessTokens(ctx: KeyContext) {
  const { clock } = ctx
  const keys = signingKeys(ctx)
  // Checking a signature takes longer than all the rest of a request's way in, and the answer never changes.
  const verified = new Map<string, AccessClaims>()

  const verify = async (jwt: string): Promise<AccessClaims | null> => {
    try {
      const { payload } = await jwtVerify(
        jwt,
        async ({ kid }) => {
          const key = await keys.verifier(kid)
          if (!key) throw new errors.JWKSNoMatchingKey()
          return key
        },
        {
          algorithms: [ALGORITHM],
          typ: TYPE,
          issuer: ISSUER,
          audience: ISSUER,
          requiredClaims: ['sub', 'jti', 'iat', 'exp', 'scope'],
          maxTokenAge: LIFETIME_SECONDS,
          currentDate: clock(),
        },
      )
      return claimsOf(payload)
    } catch (error) {
      if (error instanceof errors.JOSEError) return null
      throw error
    }
  }

  return {
    lifetimeSeconds: LIFETIME_SECONDS,

    /** @param roles what was asked for, of what the API token may do */
    async issue(token: Pick<Row<'apiTokens'>, 'id' | 'clientId'>, roles: readonly Role[]): Promise<string> {
      const { kid, key } = await keys.signer()
      const now = Math.floor(clock().getTime() / 1000)
      return new SignJWT({ client_id: token.clientId, scope: roles.join(' ') })
        .setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid })
        .setIssuer(ISSUER)
        .setAudience(ISSUER)
        .setSubject(token.id)
        .setJti(randomUUID())
        .setIssuedAt(now)
        .setExpirationTime(now + LIFETIME_SECONDS)
        .sign(key)
    },

    /** What an access token says, or null for what is none of ours, altered or expired. */
    async verify(jwt: string): Promise<AccessClaims | null> {
      const known = verified.get(jwt)
      if (known && known.expiresAt > clock()) return known
      verified.delete(jwt)
      const claims = await verify(jwt)
      if (!claims) return null
      const [oldest] = verified.keys()
      if (verified.size >= REMEMBERED && oldest) verified.delete(oldest)
      verified.set(jwt, claims)
      return claims
    },
  }
}

function claimsOf({ sub = '', scope, exp = 0 }: JWTPayload): AccessClaims {
  const asked = typeof scope === 'string' ? scope.split(' ') : []
  return {
    tokenId: sub,
    roles: ROLES.filter((role) => asked.includes(role)),
    expiresAt: new Date(exp * 1000),
  }
}
