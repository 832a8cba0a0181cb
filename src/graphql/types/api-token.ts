import type { UserError } from '../../domain/errors.ts'
import type { Row } from '../../storage/tables.ts'
import { builder } from '../builder.ts'
import { ERRORS, settle, userError } from '../payload.ts'
import { apiToken, destination } from '../refs.ts'
import { role } from './access.ts'
import { node } from './node.ts'

apiToken.implement({
  description: 'A key to the API. Its secret is stored as a hash only.',
  interfaces: [node],
  fields: (t) => ({
    clientId: t.exposeString('clientId', { description: 'Its public name, cli_….' }),
    name: t.exposeString('name', { description: 'What people call it; recorded with what it does.' }),
    roles: t.expose('roles', { type: [role], description: 'What it may do.' }),
    destinations: t.field({
      type: [destination],
      description: 'The destinations of a PARTNER token; empty for every other.',
      resolve: async ({ destinationIds }, _, { loaders }) => {
        const rows = await Promise.all((destinationIds ?? []).map((id) => loaders.destination.load(id)))
        return rows.filter((row) => row !== null)
      },
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      nullable: true,
      description: 'From when on it is refused; null for never.',
    }),
    lastUsedAt: t.expose('lastUsedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was last used, to the minute.',
    }),
    revokedAt: t.expose('revokedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was revoked; null while it is not.',
    }),
  }),
})

const createInput = builder.inputType('CreateApiTokenInput', {
  description: 'A new token.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'What people call it: 1 to 255 characters.' }),
    roles: t.field({ type: [role], required: true, description: 'What it may do: at least one role.' }),
    destinationIds: t.idList({ description: 'The destinations of a PARTNER token; not for other roles.' }),
    expiresAt: t.field({ type: 'DateTime', description: 'From when on it is refused; null for never.' }),
  }),
})

interface TokenPayload {
  apiToken: Row<'apiTokens'> | null
  secret: string | null
  errors: UserError[]
}
const tokenPayload = builder.objectRef<TokenPayload>('ApiTokenPayload').implement({
  description: '`secret` is shown once.',
  fields: (t) => ({
    apiToken: t.expose('apiToken', {
      type: apiToken,
      nullable: true,
      description: 'The token; null when there are errors.',
    }),
    secret: t.exposeString('secret', {
      nullable: true,
      description: 'What goes after `Bearer`. Only in the answer that made the token.',
    }),
    errors: t.expose('errors', { type: [userError], description: ERRORS }),
  }),
})

builder.mutationFields((t) => ({
  createApiToken: t.field({
    type: tokenPayload,
    description: 'Makes a token of this sandbox; with the role ADMIN, of all. Administrators only.',
    args: { input: t.arg({ type: createInput, required: true, description: 'What to make.' }) },
    resolve: async (_, { input }, { session, parts }) => {
      const { done, errors } = await settle(parts.services.token.create(session, input))
      return { apiToken: done?.token ?? null, secret: done?.secret ?? null, errors }
    },
  }),
  revokeApiToken: t.field({
    type: tokenPayload,
    description: 'Ends a token for good; its open streams end with it. Administrators only.',
    args: { id: t.arg.id({ required: true, description: 'Its id, tok_….' }) },
    resolve: async (_, { id }, { session, parts }) => {
      const { done, errors } = await settle(parts.services.token.revoke(session, id))
      return { apiToken: done, secret: null, errors }
    },
  }),
}))
