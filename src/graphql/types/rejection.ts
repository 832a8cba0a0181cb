import type { RejectionReason } from '../../domain/model.ts'
import type { RejectionFilter } from '../../storage/rejection.ts'
import { builder } from '../builder.ts'
import { distinct } from '../input.ts'
import { rejection } from '../refs.ts'
import { rejectionReason } from './run-enums.ts'

rejection.implement({
  description: 'A profile that was left out or refused.',
  fields: (t) => ({
    profileId: t.id({
      description: 'The profile, by its id in this gateway.',
      resolve: ({ profileId }) => String(profileId),
    }),
    reason: t.expose('reason', { type: rejectionReason, description: 'Why it was left out or refused.' }),
    detail: t.exposeString('detail', { nullable: true, description: 'More about it, such as the field.' }),
  }),
})

export const rejectionFilter = builder.inputType('RejectionFilter', {
  description: 'Conditions that must all hold. What is absent or null does not filter.',
  fields: (t) => ({
    reason: t.field({ type: [rejectionReason], description: 'For one of these reasons.' }),
    profileId: t.id({ description: 'Only those of this profile.' }),
  }),
})

/** No profile has this number: what a text that is no profile's id stands for. */
const NOBODY = -1

export function decodeRejectionFilter(
  filter:
    | { reason?: RejectionReason[] | null | undefined; profileId?: string | null | undefined }
    | null
    | undefined,
): RejectionFilter {
  const { reason, profileId } = filter ?? {}
  return {
    reason: distinct(reason, ['filter', 'reason']),
    profileId: profileId == null || /^\d{1,15}$/.test(profileId) ? toNumber(profileId) : NOBODY,
  }
}

function toNumber(id: string | null | undefined): number | null {
  return id == null ? null : Number(id)
}
