import { authorize } from '../../domain/access.ts'
import { builder } from '../builder.ts'
import { pageArgs } from '../connection.ts'
import { objectQuery } from '../object-query.ts'
import {
  destinationAccount,
  destinationAccountConnection,
  destinationConnection,
  destinationType,
} from '../refs.ts'
import { role } from './access.ts'
import { typeOf } from './destination-type.ts'
import { node } from './node.ts'

const accountStatus = builder.enumType('AccountStatus', {
  description: 'Whether an account can be used.',
  values: {
    UNVERIFIED: { description: 'Nobody has logged in with it yet, as it is set now.' },
    CONNECTED: { description: 'The last login succeeded.' },
    FAILED: { description: 'The last login was refused; lastError says how.' },
    REMOVED: { description: 'Taken out of use; kept for history.' },
  },
})

const consent = builder.objectRef<{ by: string; at: Date }>('Consent').implement({
  description: 'An agreement that personal data leaves the gateway.',
  fields: (t) => ({
    agreedBy: t.exposeString('by', { description: 'The name of the token that agreed.' }),
    agreedAt: t.expose('at', { type: 'DateTime', description: 'When it was agreed.' }),
  }),
})

destinationAccount.implement({
  description:
    'How and as whom we log in at a destination, and who may use that. Secrets go in and never come out.',
  interfaces: [node],
  fields: (t) => ({
    name: t.exposeString('name', { description: 'What people call it.' }),
    type: t.field({
      type: destinationType,
      description: 'The kind of destination it logs in at.',
      resolve: ({ type }, _, ctx) => typeOf(ctx, type),
    }),
    settings: t.expose('settings', { type: 'JSON', description: 'The settings without the secrets.' }),
    sharedWith: t.expose('sharedWith', {
      type: [role],
      description:
        'Roles that may build destinations on this account. Administrators always may; by default nobody else.',
    }),
    consent: t.field({
      type: consent,
      nullable: true,
      description: 'The recorded agreement that personal data leaves the gateway through this account.',
      resolve: ({ consentBy, consentAt }) =>
        consentBy !== null && consentAt !== null ? { by: consentBy, at: consentAt } : null,
    }),
    status: t.expose('status', {
      type: accountStatus,
      description: 'Whether it can be used.',
    }),
    lastVerifiedAt: t.expose('lastVerifiedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When a login was last tried; null when none was since its settings or secrets were set.',
    }),
    lastError: t.exposeString('lastError', {
      nullable: true,
      description: 'How the last login was refused; null when it was not.',
    }),
    details: t.expose('details', {
      type: 'JSON',
      nullable: true,
      description:
        'What the destination told at the last login that succeeded, e.g. the lists to choose from, or its host key; null before, and once the settings were changed.',
    }),
    destinations: t.field({
      type: destinationConnection,
      description: 'The destinations built on it, oldest first.',
      args: pageArgs(t.arg),
      resolve: ({ id }, args, { pages }) => pages.destinationsOfAccount.load(id, { args }),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
  }),
})

objectQuery({ noun: 'destinationAccount', type: destinationAccount, words: 'account' })
builder.queryField('destinationAccounts', (t) =>
  t.field({
    type: destinationAccountConnection,
    description: 'The accounts of this sandbox, oldest first.',
    args: pageArgs(t.arg),
    resolve: (_, args, { session, stores, parts }) => {
      authorize(session, 'metadata:read')
      const { maxPageSize } = parts.guardrails
      return stores.destinationAccount.page({ sandboxId: session.sandbox.id, args, maxPageSize })
    },
  }),
)
