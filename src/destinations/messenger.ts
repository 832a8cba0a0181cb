import type { Messenger } from '../domain/ports.ts'
import type { Outbound } from './outbound.ts'
import { post, testMessage } from './webhook-post.ts'
import { isSigningSecret, newSigningSecret } from './webhook-signature.ts'

/** The scheme recommends 15 to 30 seconds. */
const ANSWER_MS = 15_000

/** Sends the gateway's own messages as the WEBHOOK driver sends profiles, within the rules of `outbound`. */
export function createMessenger(outbound: Outbound, answerMs = ANSWER_MS): Messenger {
  return {
    // A destination may name a host alone; here that is no address.
    refusalOf: (url) => outbound.refusalOf(url.includes('://') ? url : '://'),
    newSecret: newSigningSecret,
    isSecret: isSigningSecret,
    testMessage,
    async send(message, endpoint, signal) {
      await post(message, { endpoint, outbound, answerMs, signal })
    },
  }
}
