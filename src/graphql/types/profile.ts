import type { UserError } from '../../domain/errors.ts'
import type { Row } from '../../storage/tables.ts'
import { builder } from '../builder.ts'
import { ERRORS, settle, userError } from '../payload.ts'
import { runFile } from '../refs.ts'

interface UpsertPayload {
  inserted: number
  updated: number
  errors: UserError[]
}
interface DeletePayload {
  deletedProfileId: number | null
  deliveredFiles: Row<'runFiles'>[]
  errors: UserError[]
}

const upsertInput = builder.inputType('UpsertProfilesInput', {
  description: 'Profiles to add or to merge into those that are there.',
  fields: (t) => ({
    key: t.string({
      required: true,
      description: 'The attribute that identifies a profile, e.g. customer_id.',
    }),
    profiles: t.field({
      type: ['JSON'],
      required: true,
      description: 'The attributes of each profile; null removes an attribute.',
    }),
  }),
})
const deleteInput = builder.inputType('DeleteProfileInput', {
  description: 'Which profile to erase.',
  fields: (t) => ({
    key: t.string({ required: true, description: 'The attribute that identifies profiles.' }),
    value: t.string({ required: true, description: 'Its value in the profile.' }),
  }),
})

const upsertPayload = builder.objectRef<UpsertPayload>('UpsertProfilesPayload').implement({
  description: 'What became of the profiles. All of them, or none when there are errors.',
  fields: (t) => ({
    inserted: t.expose('inserted', { type: 'BigInt', description: 'Profiles that are new.' }),
    updated: t.expose('updated', {
      type: 'BigInt',
      description: 'Profiles that were there and were merged into.',
    }),
    errors: t.expose('errors', { type: [userError], description: ERRORS }),
  }),
})
const deletePayload = builder.objectRef<DeletePayload>('DeleteProfilePayload').implement({
  description: 'What was erased, and where copies have gone.',
  fields: (t) => ({
    deletedProfileId: t.id({
      nullable: true,
      description: 'The id of the profile that was; null when there are errors.',
      resolve: ({ deletedProfileId }) => deletedProfileId?.toString(),
    }),
    deliveredFiles: t.expose('deliveredFiles', {
      type: [runFile],
      description: 'Files already delivered that may hold the profile: ask their holders to erase it there.',
    }),
    errors: t.expose('errors', { type: [userError], description: ERRORS }),
  }),
})

builder.mutationFields((t) => ({
  upsertProfiles: t.field({
    type: upsertPayload,
    description:
      'Adds profiles, or merges attributes into those with the same key. For many, see POST /import.',
    args: {
      input: t.arg({
        type: upsertInput,
        required: true,
        description: 'The profiles, and the attribute that identifies them.',
      }),
    },
    resolve: async (_, { input }, { session, parts }) => {
      const { done, errors } = await settle(parts.services.profile.upsert(session, input))
      return { inserted: done?.inserted ?? 0, updated: done?.updated ?? 0, errors }
    },
  }),
  deleteProfile: t.field({
    type: deletePayload,
    description:
      'Erases a profile and every stored trace of it: attributes, memberships, rejections. Files already delivered are listed in the payload.',
    args: {
      input: t.arg({
        type: deleteInput,
        required: true,
        description: 'Which profile, by the attribute that identifies it.',
      }),
    },
    resolve: async (_, { input }, { session, parts }) => {
      const { done, errors } = await settle(parts.services.profile.delete(session, input))
      return {
        deletedProfileId: done?.deletedProfileId ?? null,
        deliveredFiles: done?.deliveredFiles ?? [],
        errors,
      }
    },
  }),
}))
