// What is sent: as many profiles as fit into one message.
import { createHash } from 'node:crypto'
import type { DeliveryTarget, RefusedProfile, SentProfile } from '../driver.ts'
import type { Message } from '../webhook-post.ts'

export const MAX_MESSAGE_BYTES = 256 * 1024

export interface Batch {
  /** Its id is the same for the same profiles of a run, and for no others. Null when nothing is left to send. */
  message: Message | null
  refused: RefusedProfile[]
  /** How many of the profiles given it deals with. */
  taken: number
}

type Run = Pick<DeliveryTarget, 'runId' | 'createdAt' | 'segment' | 'fields'>

/** Of the profiles given, as many as fit, from the first on; one that is too long for a message of its own is refused. */
export function firstMessage(run: Run, profiles: readonly SentProfile[]): Batch {
  const [head, tail] = envelopeOf(run)
  const refused: RefusedProfile[] = []
  const items: string[] = []
  let first: number | null = null
  let bytes = Buffer.byteLength(head + tail)
  let taken = 0
  for (const profile of profiles) {
    const item = itemOf(run, profile)
    const length = Buffer.byteLength(item) + 1 // the comma
    if (Buffer.byteLength(head + tail) + length > MAX_MESSAGE_BYTES) {
      const detail = `It was not sent: a message has at most ${MAX_MESSAGE_BYTES} bytes.`
      refused.push({ profileId: profile.profileId, detail })
    } else if (bytes + length > MAX_MESSAGE_BYTES) break
    else {
      first ??= profile.profileId
      bytes += length
      items.push(item)
    }
    taken += 1
  }
  if (first === null) return { message: null, refused, taken }
  const body = `${head}${items.join(',')}${tail}`
  // Not of the first profile alone: profiles change between two attempts, and who was sent must be known by the id.
  const digest = createHash('sha256').update(body).digest('hex').slice(0, 16)
  return { message: { id: `${run.runId}_${first}_${digest}`, body }, refused, taken }
}

/** Everything before and after the profiles. */
function envelopeOf({ runId, createdAt, segment }: Run): [string, string] {
  const { id, name } = segment
  const data = { run: { id: runId }, segment: { id, name }, profiles: [] }
  const text = JSON.stringify({ type: 'profiles.activated', timestamp: createdAt.toISOString(), data })
  return [text.slice(0, -']}}'.length), ']}}']
}

function itemOf({ fields }: Run, { values }: SentProfile): string {
  return JSON.stringify(Object.fromEntries(fields.map(({ target }, n) => [target, values[n] ?? null])))
}
