// POST /oauth/token: an API token's client id and secret for a short-lived access token (RFC 6749, 4.4 and 5).
import type { IncomingMessage } from 'node:http'
import OAuth2Server from '@node-oauth/oauth2-server'
import { rolesWithin } from '../domain/access.ts'
import { ROLES, type Role } from '../domain/model.ts'
import type { ApiParts, RateState } from '../graphql/context.ts'
import type { Row } from '../storage/tables.ts'
import type { Answer } from './answer.ts'
import type { Limits } from './rate-limit.ts'
import { credentialsOf, readBody } from './request.ts'

const { InvalidRequestError, OAuthError, Request, Response, UnsupportedGrantTypeError } = OAuth2Server
const GRANT = 'client_credentials'
const MAX_BODY = 4 * 1024
const FORM = /^application\/x-www-form-urlencoded\s*(;\s*charset="?utf-?8"?\s*)?$/i

type Form = Record<string, string>
/** The API token that the library's client stands for. */
interface OauthClient extends OAuth2Server.Client {
  token: Row<'apiTokens'>
}
/** Too many failures, or too many requests of one token. */
class TooMany extends OAuthError {
  readonly secondsLeft: number
  constructor({ secondsLeft }: RateState) {
    const message = `Too many requests; try again in ${secondsLeft} seconds.`
    super(message, { code: 429, name: 'temporarily_unavailable' })
    this.secondsLeft = secondsLeft
  }
}

export function oauthRoute({ parts, limits }: { parts: Pick<ApiParts, 'services' | 'log'>; limits: Limits }) {
  return async (req: IncomingMessage): Promise<Answer> => {
    try {
      const form = await readForm(req)
      refuseForm(req, form)
      const server = new OAuth2Server({ model: modelOf({ parts, limits, req }) })
      const headers = { ...req.headers } as Form
      const response = new Response({})
      await server.token(new Request({ method: 'POST', query: {}, headers, body: form }), response)
      return { status: 200, headers: { pragma: 'no-cache' }, body: response.body }
    } catch (error) {
      if (error instanceof OAuthError && error.code < 500) return refusalAnswer(error)
      parts.log.error({ error }, 'an access token could not be issued')
      const body = { error: 'server_error', error_description: 'The gateway cannot serve this for now.' }
      return { status: 503, headers: { 'retry-after': '5' }, body }
    }
  }
}

/** What the library asks of the gateway, for one request. */
function modelOf(options: {
  parts: Pick<ApiParts, 'services'>
  limits: Limits
  req: IncomingMessage
}): OAuth2Server.ClientCredentialsModel {
  const { limits, req } = options
  const tokens = options.parts.services.token
  const tokenOf = (client: OAuth2Server.Client) => (client as OauthClient).token
  return {
    async getClient(clientId, secret) {
      const token = await tokens.client(clientId, secret)
      const { address } = credentialsOf(req)
      const taken = token
        ? [limits.requests.take(token.id)]
        : [limits.failures.take(address), limits.failures.take(`client ${clientId.slice(0, 100)}`)]
      const passed = taken.find(({ isAllowed }) => !isAllowed)
      if (passed) throw new TooMany(passed)
      const accessTokenLifetime = tokens.accessLifetimeSeconds
      return token && { id: clientId, grants: [GRANT], accessTokenLifetime, token }
    },
    // There is no user behind a client; the library wants one.
    getUserFromClient: async ({ id }) => ({ id }),
    async validateScope(_user, client, scope) {
      const { roles } = tokenOf(client)
      if (!scope) return roles
      const asked = ROLES.filter((role) => scope.includes(role))
      const isAllowed = rolesWithin(roles, asked).length === new Set(scope).size
      return isAllowed && asked
    },
    generateAccessToken: (client, _user, scope) => tokens.issueAccess(tokenOf(client), scope as Role[]),
    saveToken: async (token, client, user) => ({ ...token, client, user }),
    // Access tokens are checked where all bearer tokens are.
    getAccessToken: async () => null,
  }
}

/** @throws InvalidRequestError for what is no form, too long, or names a parameter twice */
async function readForm(req: IncomingMessage): Promise<Form> {
  if (req.method !== 'POST') throw new InvalidRequestError('Use POST.', { code: 405 })
  const encoding = req.headers['content-encoding'] ?? 'identity'
  if (!FORM.test(req.headers['content-type'] ?? '') || encoding !== 'identity') {
    throw new InvalidRequestError('Send application/x-www-form-urlencoded in UTF-8, without compression.')
  }
  const body = await readBody(req, MAX_BODY)
  if (!body) throw new InvalidRequestError(`Send at most ${MAX_BODY} bytes.`, { code: 413 })
  const given = [...new URLSearchParams(new TextDecoder().decode(body))]
  if (new Set(given.map(([name]) => name)).size < given.length) {
    throw new InvalidRequestError('A parameter may be given once.')
  }
  // A parameter without a value counts as absent (RFC 6749, 3.2).
  return Object.fromEntries(given.filter(([, value]) => value !== ''))
}

/** What RFC 6749 forbids and the library lets pass. */
function refuseForm({ headers }: IncomingMessage, form: Form): void {
  if (form.grant_type !== undefined && form.grant_type !== GRANT) {
    throw new UnsupportedGrantTypeError(`The grant_type must be ${GRANT}.`)
  }
  if (headers.authorization !== undefined && form.client_secret !== undefined) {
    throw new InvalidRequestError('Send the client id and the secret as Basic or in the form, not both.')
  }
}

function refusalAnswer(error: OAuth2Server.OAuthError): Answer {
  const { code, name, message } = error
  const answer = (status: number, error_description: string, headers: Record<string, string> = {}) => ({
    status,
    headers: { pragma: 'no-cache', ...headers },
    body: { error: name, error_description },
  })
  if (name === 'invalid_client') {
    // The same words, and the same work, for an unknown client and a wrong secret.
    return answer(401, 'The client id or the secret is wrong.', {
      'www-authenticate': 'Basic realm="activation gateway"',
    })
  }
  if (error instanceof TooMany) return answer(code, message, { 'retry-after': String(error.secondsLeft) })
  return answer(code, message, code === 405 ? { allow: 'POST' } : {})
}
