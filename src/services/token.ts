// API tokens: opaque bearer tokens, and the clients of /oauth/token. A secret is 256 random bits, shown once; only its
// SHA-256 is stored, so a lookup by hash is the comparison, and its timing tells nothing about a secret that is near.
import { hash, randomBytes } from 'node:crypto'
import { decodeJwt } from 'jose'
import { authorize, type Identity, rolesWithin, type Session } from '../domain/access.ts'
import { invalid, notFound, Refusal, type UserError } from '../domain/errors.ts'
import type { Role } from '../domain/model.ts'
import type { TrustedIssuer } from '../domain/ports.ts'
import { checkName, normalizeName } from '../domain/text.ts'
import { note } from '../storage/deed.ts'
import { destinationStore } from '../storage/destination.ts'
import type { Row } from '../storage/tables.ts'
import { tokenStore } from '../storage/token.ts'
import { accessTokens } from './access-token.ts'
import type { ServiceContext } from './context.ts'
import { againWhenStale } from './stale.ts'
import { isOutside, trustedIssuer } from './trusted-issuer.ts'

export interface CreateTokenInput {
  name: string
  roles: Role[]
  destinationIds?: string[] | null | undefined
  expiresAt?: Date | null | undefined
}
export type TokenService = ReturnType<typeof tokenService>

const USE_RECORDED_EVERY_MS = 60_000
const MAX_SECRET_LENGTH = 512
const JWT = /^[\w-]{1,2000}\.[\w-]{1,8000}\.[\w-]{0,2000}$/
const ADMIN_CLIENT_ID = 'cli_admin'

/** `trusted` is an outside issuer whose tokens are as good as our own, or null. */
export function tokenService(ctx: ServiceContext, trusted: TrustedIssuer | null = null) {
  const { database, clock, newId, log } = ctx
  const store = tokenStore(database)
  const destinations = destinationStore(database)
  const access = accessTokens(ctx)
  const outside = trusted && trustedIssuer(trusted, ctx)

  const recordUse = async (token: Row<'apiTokens'>) => {
    const now = clock()
    if (token.lastUsedAt && now.getTime() - token.lastUsedAt.getTime() < USE_RECORDED_EVERY_MS) return
    // The record is a courtesy: a full disk must not lock readers out.
    await database.batch([store.update(token.id, { lastUsedAt: now })]).catch((error: unknown) => {
      log.warn({ error, tokenId: token.id }, 'the use of a token could not be recorded')
    })
  }
  const isLive = (token: Row<'apiTokens'>) =>
    token.revokedAt === null && (token.expiresAt === null || token.expiresAt > clock())
  const bySecret = async (secret: string): Promise<Row<'apiTokens'> | null> => {
    if (secret === '' || secret.length > MAX_SECRET_LENGTH) return null
    const token = await store.bySecretHash(hashOf(secret))
    return token && isLive(token) ? token : null
  }
  const identityOf = async (token: Row<'apiTokens'>): Promise<Identity> => {
    await recordUse(token)
    const { id: tokenId, name, roles, destinationIds, sandboxId, expiresAt } = token
    return { tokenId, name, roles, destinationIds, sandboxId, expiresAt }
  }
  /** An access token is worth what its API token is worth now, in the roles that were asked for. */
  const byAccessToken = async (jwt: string): Promise<Identity | null> => {
    const claims = await access.verify(jwt)
    const token = claims && (await store.byId(claims.tokenId))
    if (!claims || !token || !isLive(token)) return null
    const roles = rolesWithin(token.roles, claims.roles)
    if (roles.length === 0) return null
    return { ...(await identityOf(token)), roles, expiresAt: earlier(claims.expiresAt, token.expiresAt) }
  }

  return {
    /**
     * Makes a token of the session's sandbox; a token with the role ADMIN is good for every sandbox.
     * @returns the row, and the secret, which cannot be read again
     */
    async create(session: Session, input: CreateTokenInput) {
      authorize(session, 'tokens:write')
      const destinationIds = [...new Set(input.destinationIds ?? [])]
      const found = await destinations.byIds(session.sandbox.id, destinationIds.slice(0, 250))
      const errors = checkToken(input, { now: clock(), known: new Set(found.map(({ id }) => id)) })
      if (errors.length > 0) throw new Refusal(errors)
      const secret = newSecret()
      const token: Row<'apiTokens'> = {
        id: newId('apiToken'),
        sandboxId: input.roles.includes('ADMIN') ? null : session.sandbox.id,
        clientId: `cli_${randomBytes(12).toString('hex')}`,
        name: normalizeName(input.name),
        roles: [...new Set(input.roles)],
        destinationIds: input.roles.includes('PARTNER') ? destinationIds : null,
        secretHash: hashOf(secret),
        createdAt: clock(),
        expiresAt: input.expiresAt ?? null,
        lastUsedAt: null,
        revokedAt: null,
      }
      note('apiToken', token.id, { after: token })
      await database.batch([store.insert(token)])
      return { token, secret }
    },

    async list(session: Session): Promise<Row<'apiTokens'>[]> {
      authorize(session, 'tokens:write')
      return store.list(session.sandbox.id)
    },

    /** Ends a token for good. Revoking it again changes nothing. */
    async revoke(session: Session, id: string): Promise<Row<'apiTokens'>> {
      authorize(session, 'tokens:write')
      const [token] = await store.byIds(session.sandbox.id, [id])
      if (!token) throw new Refusal(notFound('API token', id, ['id']))
      if (token.revokedAt) return token
      const revokedAt = clock()
      note('apiToken', id, { before: token, after: { revokedAt } })
      await database.batch([store.update(id, { revokedAt })])
      return { ...token, revokedAt }
    },

    /**
     * Who shows this bearer token, or null for an unknown, expired or revoked one: nobody can tell which.
     * @throws AccessError for an outside token that has no role here; Unavailable when its issuer cannot be asked
     */
    async authenticate(bearer: string): Promise<Identity | null> {
      const token = await bySecret(bearer)
      if (token) return identityOf(token)
      if (!JWT.test(bearer)) return null
      return outside && issuerOf(bearer) === outside.issuer ? outside.identify(bearer) : byAccessToken(bearer)
    },

    /** The API token whose client id and secret these are, or null: nobody can tell which of them is wrong. */
    async client(clientId: string, secret: string): Promise<Row<'apiTokens'> | null> {
      const token = await bySecret(secret)
      return token?.clientId === clientId ? token : null
    },

    /** A JWT that stands for an API token, in some of the roles that it may take on. */
    async issueAccess(token: Row<'apiTokens'>, roles: readonly Role[]): Promise<string> {
      await recordUse(token)
      return access.issue(token, roles)
    },
    accessLifetimeSeconds: access.lifetimeSeconds,

    /** Whether a session that was good when a stream began is still good: neither expired, nor its token revoked. */
    async isLive({ tokenId, expiresAt }: Session): Promise<boolean> {
      if (expiresAt && expiresAt <= clock()) return false
      if (isOutside(tokenId)) return true
      const token = await store.byId(tokenId)
      return token !== null && isLive(token)
    },

    /** Those of the tokens that are not good any more: expired, revoked, or unknown. Nobody can say of outside ones. */
    async endedAmong(ids: readonly string[]): Promise<Set<string>> {
      const own = ids.filter((id) => !isOutside(id))
      const live = await store.liveAmong(own, clock())
      return new Set(own.filter((id) => !live.has(id)))
    },

    /**
     * Sees to it that there is an administrator's token: the configured one, or a new one on the first start.
     * @returns the new secret, to be shown once, or null
     */
    async ensureAdmin(configured?: string | null): Promise<string | null> {
      // Gateways that start for the first time at the same moment: all but one find its token.
      return againWhenStale(database, async () => {
        const present = await store.byClientId(ADMIN_CLIENT_ID)
        const isSame = present?.secretHash === hashOf(configured ?? '')
        if (present && (!configured || (isSame && isLive(present)))) return null
        const secret = configured ?? newSecret()
        const fresh = { secretHash: hashOf(secret), expiresAt: null, revokedAt: null }
        const write = present
          ? store.update(present.id, fresh)
          : store.insert({
              ...fresh,
              id: newId('apiToken'),
              clientId: ADMIN_CLIENT_ID,
              name: 'admin',
              roles: ['ADMIN'],
              createdAt: clock(),
            })
        await database.batch([write])
        return configured ? null : secret
      })
    },
  }
}

/** What a token says of itself: good for choosing who is to check it, and for nothing else. */
function issuerOf(jwt: string): string | undefined {
  try {
    return decodeJwt(jwt).iss
  } catch {
    return undefined
  }
}

function earlier(date: Date, other: Date | null): Date {
  return other && other < date ? other : date
}

function newSecret(): string {
  return `agw_${randomBytes(32).toString('base64url')}`
}

function hashOf(secret: string): string {
  return hash('sha256', secret, 'hex')
}

function checkToken(input: CreateTokenInput, facts: { now: Date; known: Set<string> }): UserError[] {
  const errors = checkName(input.name, ['input', 'name'])
  const ids = input.destinationIds ?? []
  const isPartner = input.roles.includes('PARTNER')
  if (input.roles.length === 0) {
    errors.push(invalid(['input', 'roles'], 'Give the token at least one role.'))
  }
  if (isPartner && new Set(input.roles).size > 1) {
    errors.push(invalid(['input', 'roles'], 'PARTNER cannot be combined with another role.'))
  }
  if (isPartner !== ids.length > 0) {
    const rule = isPartner ? 'A PARTNER token needs' : 'Only a PARTNER token has'
    errors.push(invalid(['input', 'destinationIds'], `${rule} destinations.`))
  }
  if (ids.length > 250) {
    errors.push({
      code: 'LIMIT_EXCEEDED',
      message: 'A token has at most 250 destinations.',
      path: ['input', 'destinationIds'],
      limit: 250,
      requested: ids.length,
    })
  } else {
    ids.forEach((id, index) => {
      if (!facts.known.has(id)) {
        errors.push(notFound('destination', id, ['input', 'destinationIds', String(index)]))
      }
    })
  }
  if (input.expiresAt && input.expiresAt <= facts.now) {
    errors.push(invalid(['input', 'expiresAt'], 'expiresAt must be in the future.'))
  }
  return errors
}
