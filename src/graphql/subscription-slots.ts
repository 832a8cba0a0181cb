import { refusal } from './refusal.ts'

export type SubscriptionSlots = ReturnType<typeof subscriptionSlots>

/** Counts the live subscriptions of each token, over all of its connections and over WebSocket and SSE alike. */
export function subscriptionSlots(limit: number) {
  const taken = new Map<string, number>()
  return {
    /**
     * Takes a place for a subscription.
     * @returns what gives it back; calling it again does nothing
     * @throws GraphQLError SUBSCRIPTION_LIMIT when the token has as many as it may
     */
    take(tokenId: string): () => void {
      const count = taken.get(tokenId) ?? 0
      if (count >= limit) {
        const message = `A token may have at most ${limit} subscriptions at the same time. End some that are not needed.`
        throw refusal('SUBSCRIPTION_LIMIT', message, { status: 429 })
      }
      taken.set(tokenId, count + 1)
      let isTaken = true
      return () => {
        if (!isTaken) return
        isTaken = false
        const left = (taken.get(tokenId) ?? 1) - 1
        if (left > 0) taken.set(tokenId, left)
        else taken.delete(tokenId)
      }
    },
    /** How many there are, of all tokens. */
    count: (): number => [...taken.values()].reduce((sum, count) => sum + count, 0),
  }
}
