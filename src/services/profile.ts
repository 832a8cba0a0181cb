import { authorize, isAllowed, type Session } from '../domain/access.ts'
import { invalid, Refusal, type UserError } from '../domain/errors.ts'
import {
  attributesProblem,
  keyProblem,
  MAX_PROFILES,
  MAX_UPSERT_SIZE,
  profileKey,
  valueAt,
} from '../domain/profile.ts'
import { checkSafePath, normalizeName } from '../domain/text.ts'
import type { ProfilePatch } from '../storage/capabilities.ts'
import { StaleWrite } from '../storage/database.ts'
import { note } from '../storage/deed.ts'
import { type ProfileAttribute, profileStore } from '../storage/profile.ts'
import type { Row } from '../storage/tables.ts'
import type { ServiceContext } from './context.ts'
import { profileAttributes } from './profile-attributes.ts'

const MAX_PUBLISHING_MS = 2_000

export type ProfileService = ReturnType<typeof profileService>

export function profileService({ database, clock }: ServiceContext) {
  const store = profileStore(database)
  const attributesOf = profileAttributes({ database, clock })

  /** Waits for runs that are giving their files their names; not for ever, since one may have lost its worker. */
  async function untilPublished(sandboxId: string, runIds: string[]): Promise<void> {
    const concerned = new Set(runIds)
    const deadline = Date.now() + MAX_PUBLISHING_MS
    while (Date.now() < deadline) {
      const publishing = (await store.publishing(sandboxId)).find((id) => concerned.has(id))
      if (publishing === undefined) return
      await database.wake.wait(`run:${publishing}`, 100)
    }
  }

  return {
    /**
     * Merges (RFC 7396) up to 2,000 profiles by their key: null removes an attribute, attributes that are not
     * named stay. Nothing is written when any of them is invalid.
     */
    async upsert(session: Session, input: { key: string; profiles: readonly unknown[] }) {
      authorize(session, 'profiles:write')
      const key = normalizeName(input.key)
      const patches = toPatches(key, input.profiles)
      const namespaceId = await store.ensureNamespace(session.sandbox.id, key)
      return database.upsertProfiles(namespaceId, patches, [store.changed(session.sandbox.id)])
    },

    /**
     * Erases a profile and every stored trace of it, and lists the files that it had left in before. Runs that
     * are under way begin their file again without it.
     */
    async delete(
      session: Session,
      input: { key: string; value: string },
    ): Promise<{ deletedProfileId: number; deliveredFiles: Row<'runFiles'>[] }> {
      authorize(session, 'profiles:delete')
      const sandboxId = session.sandbox.id
      const profileId = await store.findId(sandboxId, normalizeName(input.key), profileKey(input.value) ?? '')
      if (profileId === null) throw unknownProfile(input)
      const runIds = await store.runIdsWith(sandboxId, profileId)
      note('profile', String(profileId))
      try {
        await database.batch(store.erase(sandboxId, profileId))
      } catch (error) {
        throw error instanceof StaleWrite ? unknownProfile(input) : error
      }
      database.wake.notify('runs')
      // Looked up afterwards: a run past the point of no return still names its files, in a moment.
      await untilPublished(sandboxId, runIds)
      return { deletedProfileId: profileId, deliveredFiles: await store.deliveredFiles(runIds) }
    },

    /**
     * The attributes seen on profiles, the most filled first, at most 1,000. Only leaves count: a list is a leaf
     * of type MIXED, an object is not one. Kept until profiles change. Examples are for those who may preview.
     */
    async attributes(session: Session): Promise<ProfileAttribute[]> {
      authorize(session, 'metadata:read')
      const attributes = await attributesOf(session.sandbox.id)
      if (isAllowed(session, 'profiles:preview')) return attributes
      return attributes.map((attribute) => ({ ...attribute, examples: [] }))
    },
  }
}

function toPatches(key: string, profiles: readonly unknown[]): ProfilePatch[] {
  const path = ['input', 'profiles']
  const errors: UserError[] = checkSafePath(key, ['input', 'key'], 'The key')
  if (profiles.length === 0) errors.push(invalid(path, 'Send at least one profile.'))
  if (profiles.length > MAX_PROFILES) errors.push(tooMany(MAX_PROFILES, profiles.length, 'profiles'))
  if (errors.length > 0) throw new Refusal(errors)

  const patches: ProfilePatch[] = []
  let size = 0
  for (const [index, profile] of profiles.entries()) {
    const problem = attributesProblem(profile)
    const value = problem === null ? profileKey(valueAt(profile, key)) : null
    const reason =
      problem ?? (value === null ? `${JSON.stringify(key)} must be a text or a number` : keyProblem(value))
    if (reason !== null || value === null) {
      errors.push(invalid([...path, String(index)], `Profile ${index} cannot be kept: ${reason}.`))
      continue
    }
    const patch = JSON.stringify(profile)
    size += patch.length
    patches.push({ key: value, patch })
  }
  if (size > MAX_UPSERT_SIZE) errors.push(tooMany(MAX_UPSERT_SIZE, size, 'characters of JSON'))
  if (errors.length > 0) throw new Refusal(errors)
  return patches
}

function tooMany(limit: number, requested: number, what: string): UserError {
  return {
    code: 'LIMIT_EXCEEDED',
    message: `At most ${limit} ${what} at a time; these are ${requested}. Send them in parts, or import a file.`,
    path: ['input', 'profiles'],
    limit,
    requested,
  }
}

function unknownProfile({ key, value }: { key: string; value: string }): Refusal {
  const named = `${JSON.stringify(key.slice(0, 80))} ${JSON.stringify(value.slice(0, 80))}`
  return new Refusal({
    code: 'NOT_FOUND',
    message: `There is no profile with ${named}.`,
    path: ['input', 'value'],
  })
}
