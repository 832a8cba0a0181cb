import { authorize, visibleDestinations } from '../../domain/access.ts'
import type { ROLES } from '../../domain/model.ts'
import { builder } from '../builder.ts'
import { pageArgs } from '../connection.ts'
import type { ApiContext, RateState } from '../context.ts'
import { destinationConnection, present, sandbox } from '../refs.ts'

const ROLE_WORDS = {
  ADMIN: { description: 'Everything, accounts and tokens included.' },
  OPERATOR: { description: 'Builds and runs, on accounts that are shared with this role.' },
  VIEWER: { description: 'Reads what is in its sandbox, and changes nothing.' },
  PARTNER: { description: 'Reads the segment metadata of its own destinations and nothing else.' },
} satisfies Record<(typeof ROLES)[number], { description: string }>

export const role = builder.enumType('Role', {
  description:
    'ADMIN everything; OPERATOR builds and runs on shared accounts; VIEWER reads; PARTNER reads the segment metadata of its own destinations and nothing else.',
  values: ROLE_WORDS,
})

const rateLimit = builder.objectRef<RateState>('RateLimit').implement({
  description: 'How many requests a token may make in a minute.',
  fields: (t) => ({
    limit: t.exposeInt('limit', { description: 'How many requests the token may make in a minute.' }),
    remaining: t.exposeInt('remaining', { description: 'What is left of this minute.' }),
    resetAt: t.expose('resetAt', { type: 'DateTime', description: 'When the next minute begins.' }),
  }),
})

const viewer = builder.objectRef<ApiContext>('Viewer').implement({
  description: 'Who is asking.',
  fields: (t) => ({
    name: t.string({ description: "The token's name.", resolve: ({ session }) => session.name }),
    roles: t.field({ type: [role], description: 'What it may do.', resolve: ({ session }) => session.roles }),
    sandbox: t.field({
      type: sandbox,
      description: 'The sandbox that this request is in.',
      resolve: ({ loaders, session }) => present(loaders.sandbox.load(session.sandbox.id)),
    }),
    destinations: t.field({
      type: destinationConnection,
      description: 'The destinations it may see, oldest first.',
      args: pageArgs(t.arg),
      resolve: ({ session, stores, parts }, args) => {
        authorize(session, 'mappings:read')
        const { maxPageSize } = parts.guardrails
        const visible = visibleDestinations(session)
        return stores.destination.page({ sandboxId: session.sandbox.id, visible, args, maxPageSize })
      },
    }),
    rateLimit: t.field({
      type: rateLimit,
      description: 'What is left of its rate limit.',
      resolve: ({ rate }) => rate,
    }),
  }),
})

builder.queryField('viewer', (t) =>
  t.field({
    type: viewer,
    description:
      'Who is asking: roles, sandbox, the destinations a partner may see, and what is left of the rate limit.',
    resolve: (_, __, ctx) => ctx,
  }),
)
