// Payloads: the object, or every reason why not, as data.
import { Refusal, type UserError } from '../domain/errors.ts'
import { builder } from './builder.ts'
import type { TypeRef } from './connection.ts'
import { loadNode, node } from './types/node.ts'

const userErrorCode = builder.enumType('UserErrorCode', {
  description: 'Kinds of mendable errors.',
  values: {
    INVALID_INPUT: { description: 'A value breaks a rule that the message states. An InvalidInputError.' },
    NOT_FOUND: {
      description: 'No such object: it never was, is in another sandbox, or is not for you. A NotFoundError.',
    },
    CONFLICT: { description: 'Something else stands in the way. A ConflictError.' },
    LIMIT_EXCEEDED: { description: 'More than a guardrail allows. A LimitExceededError.' },
    IN_USE: {
      description: 'Another object still needs this one. A ConflictError whose node is that object.',
    },
    CONSENT_MISSING: {
      description: 'Nobody has agreed that personal data leaves through the account. An InvalidInputError.',
    },
    DESTINATION_REFUSED: { description: 'The destination said no. A DestinationRefusedError.' },
    UNAVAILABLE: {
      description: 'Cannot be done at the moment; the same request may succeed later. An InvalidInputError.',
    },
  },
})

/** A reason why a mutation did nothing. */
export const userError = builder.interfaceRef<UserError>('UserError').implement({
  description:
    'A reason why nothing was done, which the caller can mend. Kinds with more to say are types of their own: IN_USE comes as ConflictError, CONSENT_MISSING and UNAVAILABLE as InvalidInputError, each with its own code.',
  resolveType: ({ code }) => TYPE_OF_CODE[code],
  fields: (t) => ({
    code: t.field({
      type: userErrorCode,
      description: 'The kind of error, for programs. Each value names the type that comes with it.',
      resolve: ({ code }) => code,
    }),
    message: t.exposeString('message', { description: 'A sentence that says what to do.' }),
    path: t.exposeStringList('path', {
      description: 'Leads into the arguments, e.g. ["input", "rule", "all", "2", "attribute", "path"].',
    }),
  }),
})

const TYPE_OF_CODE: Record<UserError['code'], string> = {
  INVALID_INPUT: 'InvalidInputError',
  CONSENT_MISSING: 'InvalidInputError',
  UNAVAILABLE: 'InvalidInputError',
  NOT_FOUND: 'NotFoundError',
  CONFLICT: 'ConflictError',
  IN_USE: 'ConflictError',
  LIMIT_EXCEEDED: 'LimitExceededError',
  DESTINATION_REFUSED: 'DestinationRefusedError',
}

builder.objectRef<UserError>('InvalidInputError').implement({
  description: 'A value breaks a rule: the message states it.',
  interfaces: [userError],
})
builder.objectRef<UserError>('NotFoundError').implement({
  description: 'There is no such object for this caller.',
  interfaces: [userError],
})
builder.objectRef<UserError>('ConflictError').implement({
  description: 'Something stands in the way.',
  interfaces: [userError],
  fields: (t) => ({
    node: t.field({
      type: node,
      nullable: true,
      description: 'The object that stands in the way, when there is one to name.',
      resolve: ({ nodeId }, _, ctx) => (nodeId ? loadNode(ctx, nodeId) : null),
    }),
  }),
})
builder.objectRef<UserError>('LimitExceededError').implement({
  description: 'More was asked for than a guardrail allows.',
  interfaces: [userError],
  fields: (t) => ({
    limit: t.int({ description: 'What is allowed.', resolve: ({ limit }) => limit ?? 0 }),
    requested: t.int({ description: 'What was asked for.', resolve: ({ requested }) => requested ?? 0 }),
  }),
})
builder.objectRef<UserError>('DestinationRefusedError').implement({
  description: 'The destination answered with a refusal.',
  interfaces: [userError],
  fields: (t) => ({
    detail: t.string({
      nullable: true,
      description: "The destination's own words.",
      resolve: ({ detail }) => detail,
    }),
  }),
})

/** Awaits a service: what it made, or the refusal as data. Any other error goes on. */
export async function settle<T>(work: Promise<T>): Promise<{ done: T | null; errors: UserError[] }> {
  try {
    return { done: await work, errors: [] }
  } catch (error) {
    if (error instanceof Refusal) return { done: null, errors: error.errors }
    throw error
  }
}

/** The description of `errors` in every payload. */
export const ERRORS = 'Every reason why nothing was done; empty when it was.'
export type Payload<Key extends string, T> = Record<Key, T | null> & { errors: UserError[] }

/** A resolver's way from a service to a payload with one object. */
export async function payload<Key extends string, T>(key: Key, work: Promise<T>): Promise<Payload<Key, T>> {
  const { done, errors } = await settle(work)
  return { [key]: done, errors } as Payload<Key, T> // a computed key widens to string
}

/** Defines `<name>Payload` with one object and the errors. */
export function payloadType<Key extends string, T>(options: {
  name: string
  key: Key
  type: TypeRef<T>
  what: string
}) {
  const { name, key, type, what } = options
  return builder.objectRef<Payload<Key, T>>(name).implement({
    description: `${what}, or every reason why not.`,
    fields: (t) => ({
      [key]: t.field({
        type,
        nullable: true,
        description: `${what}; null when there are errors.`,
        // Pothos cannot resolve the shape of a type parameter; it is T by construction.
        resolve: (parent) => parent[key] as never,
      }),
      errors: t.field({ type: [userError], description: ERRORS, resolve: ({ errors }) => errors }),
    }),
  })
}
