import type { Config } from '../config.ts'
import type { Role } from '../domain/model.ts'
import { tokenService } from '../services/token.ts'
import type { Row } from '../storage/tables.ts'
import { audited, withDatabase } from './database.ts'
import { columns, note, print, printJson } from './output.ts'

export interface NewTokenOptions {
  name: string
  role: Role[]
  destination?: string[]
  sandbox: string
  expires?: Date
  json?: boolean
}
interface SandboxOptions {
  sandbox: string
  json?: boolean
}

/** Makes a token and prints its secret, alone on stdout. */
export async function createToken(config: Config, options: NewTokenOptions): Promise<void> {
  const { token, secret } = await withDatabase(config, options.sandbox, 'token create', (access) =>
    audited(access, () =>
      tokenService(access.ctx).create(access.session, {
        name: options.name,
        roles: options.role,
        destinationIds: options.destination,
        expiresAt: options.expires,
      }),
    ),
  )
  if (options.json) return printJson({ ...shown(token), secret })
  const roles = token.roles.join(', ')
  note(
    `${token.id} for ${token.name} (${roles}), client id ${token.clientId}. Keep its secret: it is shown only now.`,
  )
  print(secret)
}

/** Lists the tokens of a sandbox and of the whole gateway. */
export async function listTokens(config: Config, options: SandboxOptions): Promise<void> {
  const tokens = await withDatabase(config, options.sandbox, 'token list', ({ ctx, session }) =>
    tokenService(ctx).list(session),
  )
  if (options.json) return printJson(tokens.map(shown))
  if (tokens.length === 0) return note('There are no tokens yet. The first «serve» makes one.')
  const rows = tokens.map((token) => [
    token.id,
    token.name,
    token.roles.join(','),
    state(token),
    `last used ${token.lastUsedAt ? day(token.lastUsedAt) : 'never'}`,
  ])
  for (const line of columns(rows)) print(line)
}

/** Makes a token invalid for good. */
export async function revokeToken(config: Config, id: string, options: SandboxOptions): Promise<void> {
  const token = await withDatabase(config, options.sandbox, 'token revoke', (access) =>
    audited(access, () => tokenService(access.ctx).revoke(access.session, id)),
  )
  if (options.json) printJson(shown(token))
  else print(`${token.id} (${token.name}) is revoked`)
}

function state(token: Row<'apiTokens'>): string {
  if (token.revokedAt) return `revoked ${day(token.revokedAt)}`
  if (!token.expiresAt) return 'valid'
  return `${token.expiresAt <= new Date() ? 'expired' : 'valid until'} ${day(token.expiresAt)}`
}

const day = (date: Date): string => date.toISOString().slice(0, 10)

/** Everything but the hash of the secret. */
function shown({ secretHash: _, ...token }: Row<'apiTokens'>) {
  return token
}
