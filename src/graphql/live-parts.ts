import type { Clock, Logger } from '../domain/ports.ts'
import { mappingFeed, runFeed } from '../engine/feed.ts'
import { runWatch } from '../engine/run-watch.ts'
import { sessionWatch } from '../services/session-watch.ts'
import type { TokenService } from '../services/token.ts'
import type { Database } from '../storage/database.ts'
import { subscriptionSlots } from './subscription-slots.ts'

export type LiveParts = ReturnType<typeof liveParts>

/** What subscriptions follow, and what ends and counts them. */
export function liveParts(options: {
  database: Database
  token: TokenService
  clock: Clock
  log: Logger
  maxSubscriptionsPerToken: number
}) {
  return {
    feed: runFeed(options),
    mappingFeed: mappingFeed(options),
    runWatch: runWatch(options),
    sessions: sessionWatch(options),
    slots: subscriptionSlots(options.maxSubscriptionsPerToken),
  }
}
