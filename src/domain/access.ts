// Who is asking, and the one question services put: may this session do that?
import { AccessError } from './errors.ts'
import type { Role } from './model.ts'

export interface Session {
  tokenId: string
  /** The token's name: what `requestedBy` records. */
  name: string
  roles: Role[]
  sandbox: { id: string; name: string; title: string }
  /** The destinations a partner may see; null for everyone else. */
  destinationIds: string[] | null
  /** When it ends by itself, whatever was opened under it: as the token or the JWT says; null: it does not. */
  expiresAt: Date | null
}

/** A session before its sandbox is chosen. */
export interface Identity extends Omit<Session, 'sandbox'> {
  /** The only sandbox that the token is good for; null: all. */
  sandboxId: string | null
}

const EVERYONE: Role[] = ['ADMIN', 'OPERATOR', 'VIEWER']
const BUILDERS: Role[] = ['ADMIN', 'OPERATOR']
const PARTNERS_TOO: Role[] = [...EVERYONE, 'PARTNER']
const ACTIONS = {
  'metadata:read': EVERYONE,
  /** Destinations, the segments mapped to them, and what names both: for a partner, as far as `visibleDestinations`. */
  'mappings:read': PARTNERS_TOO,
  'profiles:preview': BUILDERS,
  'profiles:write': BUILDERS,
  'profiles:delete': ['ADMIN'],
  'segments:write': BUILDERS,
  'segments:evaluate': BUILDERS,
  'accounts:write': ['ADMIN'],
  'destinations:write': BUILDERS,
  'dataflows:write': BUILDERS,
  'runs:activate': BUILDERS,
  'runs:control': BUILDERS,
  'notifications:write': ['ADMIN'],
  'sandboxes:write': ['ADMIN'],
  'tokens:write': ['ADMIN'],
  'audit:read': ['ADMIN'],
} satisfies Record<string, Role[]>
export type Action = keyof typeof ACTIONS

/** @throws AccessError FORBIDDEN, naming the roles that may. */
export function authorize(session: Session, action: Action): void {
  if (isAllowed(session, action)) return
  throw new AccessError('FORBIDDEN', `This needs one of the roles ${ACTIONS[action].join(', ')}.`)
}

/** What decides what a session is shown: sessions with equal rights are given equal answers to equal questions. */
export function rightsOf({ sandbox, roles, destinationIds }: Session): unknown[] {
  return [sandbox.id, [...roles].sort(), destinationIds && [...destinationIds].sort()]
}

/** @throws AccessError FORBIDDEN unless the account is shared with a role of the session; administrators always may */
export function requireShared(session: Session, account: { name: string; sharedWith: Role[] }): void {
  if (session.roles.some((role) => role === 'ADMIN' || account.sharedWith.includes(role))) return
  const message = `The account ${JSON.stringify(account.name)} is not shared with you. Ask an administrator to share it.`
  throw new AccessError('FORBIDDEN', message)
}

/**
 * The destinations that alone the session may see, with what hangs on them; null: all. What hangs on others looks
 * exactly like what does not exist. Whoever is a partner among other roles is a partner.
 */
export function visibleDestinations(session: Session): readonly string[] | null {
  return session.destinationIds ?? (session.roles.includes('PARTNER') ? [] : null)
}

/** Those of the roles that a token with `owned` may take on: its own, and an administrator's token any but PARTNER. */
export function rolesWithin(owned: readonly Role[], wanted: readonly Role[]): Role[] {
  const isAdmin = owned.includes('ADMIN')
  return wanted.filter((role) => owned.includes(role) || (isAdmin && role !== 'PARTNER'))
}

/** For answers that hold less where less is allowed. */
export function isAllowed(session: Session, action: Action): boolean {
  const allowed: readonly Role[] = ACTIONS[action]
  return session.roles.some((role) => allowed.includes(role))
}
