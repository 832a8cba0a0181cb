// What somebody is doing at the moment, for the audit log: whoever begins a mutation, an import or a command begins a
// deed, and services note what they are about to change. The next batch then takes the line along (audit-trail.ts), so
// that nothing is changed without one, and no line speaks of what was undone.
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Session } from '../domain/access.ts'
import type { AuditOutcome } from '../domain/model.ts'
import { type AuditedChange, type ChangedNoun, changeOf } from './audit-change.ts'

/** Who does what. */
export interface Actor {
  session: Pick<Session, 'tokenId' | 'name'> & { sandbox: { id: string } | null }
  /** The mutation, route or command. */
  operation: string
  /** The name that the client gave to the operation. */
  clientOperation?: string | undefined
  requestId: string
}
/** How it went. */
export interface Ending {
  outcome: AuditOutcome
  /** Why it was refused. */
  codes: readonly string[]
}
interface Deed {
  actor: Actor
  /** What the next batch changes. */
  change: AuditedChange | null
  /** How many lines there are of it. */
  lines: number
}

const current = new AsyncLocalStorage<Deed>()

/** The deed that is being done, if any. */
export const currentDeed = (): Deed | undefined => current.getStore()

/** Does the work as a deed; tells how many lines its batches have left, and what was noted and not written. */
export async function asDeed<T>(
  actor: Actor,
  work: () => Promise<T>,
  after: (left: Pick<Deed, 'lines' | 'change'>, done: { error?: unknown; value?: T }) => Promise<void>,
): Promise<T> {
  const deed: Deed = { actor, change: null, lines: 0 }
  const end = (done: { error?: unknown; value?: T }) => {
    const left = { ...deed }
    deed.change = null // what goes on in the background writes for itself
    return after(left, done)
  }
  let value: T
  try {
    value = await current.run(deed, work)
  } catch (error) {
    await end({ error })
    throw error
  }
  await end({ value })
  return value
}

/**
 * Says what the next batch changes of an object: the row before, null of a new one; and what becomes of it, null when
 * it is gone. Secrets and the values of profiles are left out. Outside of a deed it does nothing.
 */
export function note(
  noun: ChangedNoun,
  id: string,
  { before, after }: { before?: object | null; after?: object | null } = {},
): void {
  const deed = current.getStore()
  if (deed) deed.change = changeOf(noun, id, { before: before ?? null, after: after ?? null })
}
