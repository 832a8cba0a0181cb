import type { AuditLine } from '../../storage/audit-line.ts'
import { builder } from '../builder.ts'
import { connectionOf, pageArgs } from '../connection.ts'
import { distinct } from '../input.ts'

const auditOutcome = builder.enumType('AuditOutcome', {
  description: 'How something that may change the gateway went.',
  values: {
    DONE: { description: 'It was done, or nothing had to be changed for it.' },
    REFUSED: { description: 'It changed nothing; `codes` say why.' },
    STARTED: {
      description: 'It takes more than one step and has begun; how it ended comes in a later entry.',
    },
    INTERRUPTED: { description: 'It ended before it was through. What was done until then stays.' },
  },
})

const auditEntry = builder.objectRef<AuditLine>('AuditEntry').implement({
  description:
    'One line of the audit log: who did what to which object. Lines are never changed; each carries the hash of the one before, over all sandboxes of the installation.',
  fields: (t) => ({
    seq: t.expose('seq', { type: 'BigInt', description: 'Its number in the installation, without gaps.' }),
    at: t.expose('at', { type: 'DateTime', description: 'When it was written.' }),
    tokenId: t.exposeString('tokenId', {
      description:
        'The token that was shown: tok_…, what an outside issuer calls it, or `local` for a command.',
    }),
    tokenName: t.exposeString('tokenName', { description: 'What that token was called then.' }),
    operation: t.exposeString('operation', {
      description: 'The mutation, `POST /import`, a command such as `cli secrets rotate`, or the clean-up.',
    }),
    clientOperation: t.exposeString('clientOperation', {
      nullable: true,
      description: 'The name that the client gave to its GraphQL operation.',
    }),
    targetType: t.exposeString('targetType', {
      nullable: true,
      description: 'What kind of object it was about, e.g. dataflow; null where that is not known.',
    }),
    targetId: t.exposeString('targetId', { nullable: true, description: 'Which object, by its id.' }),
    before: t.field({
      type: 'JSON',
      nullable: true,
      description:
        'What differed before: all of an object that is gone, null of a new one. Never a secret or the values of a rule.',
      resolve: ({ before }) => (before === null ? null : JSON.parse(before)),
    }),
    after: t.field({
      type: 'JSON',
      nullable: true,
      description: 'The same afterwards; null of an object that is gone.',
      resolve: ({ after }) => (after === null ? null : JSON.parse(after)),
    }),
    outcome: t.expose('outcome', { type: auditOutcome, description: 'How it went.' }),
    codes: t.stringList({
      description: 'Why it was refused: codes of errors, each once.',
      resolve: ({ codes }) => (codes === '' ? [] : codes.split(',')),
    }),
    requestId: t.exposeString('requestId', {
      description: 'The id of the request, as in its x-request-id header and in the log of the gateway.',
    }),
    previousHash: t.exposeString('previousHash', { description: 'The hash of the line before.' }),
    hash: t.exposeString('hash', { description: 'SHA-256 over this line and `previousHash`.' }),
  }),
})
const auditConnection = connectionOf('AuditEntry', auditEntry, 'audit entries')

const auditFilter = builder.inputType('AuditFilter', {
  description: 'Conditions that must all hold. What is absent or null does not filter.',
  fields: (t) => ({
    operations: t.stringList({ description: 'One of these operations, e.g. createSegment.' }),
    outcomes: t.field({ type: [auditOutcome], description: 'Ended in one of these ways.' }),
    tokenId: t.id({ description: 'Done with this token.' }),
    targetId: t.id({ description: 'About the object with this id.' }),
    after: t.field({ type: 'DateTime', description: 'Written at this moment or later.' }),
    before: t.field({ type: 'DateTime', description: 'Written before this moment.' }),
  }),
})

builder.queryField('auditLog', (t) =>
  t.field({
    type: auditConnection,
    description:
      'Who did what to which object in this sandbox, refused mutations included, and what concerned the whole installation; newest first. Administrators only.',
    args: {
      filter: t.arg({ type: auditFilter, description: 'Only those that match.' }),
      ...pageArgs(t.arg),
    },
    resolve: (_, { filter, ...args }, { session, parts }) =>
      parts.services.audit.page(session, {
        args,
        maxPageSize: parts.guardrails.maxPageSize,
        filter: filter && {
          ...filter,
          operations: distinct(filter.operations, ['filter', 'operations']),
          outcomes: distinct(filter.outcomes, ['filter', 'outcomes']),
        },
      }),
  }),
)
