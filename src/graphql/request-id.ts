// The id of what is being answered: an HTTP request, or a message of a WebSocket. It is in the header x-request-id, in
// every masked error, and in every line of the log that belongs to it. It is always our own, never the client's.
import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'

const current = new AsyncLocalStorage<string>()

/** Does the work under an id of its own. */
export function withRequestId<T>(work: () => T): T {
  return current.run(randomUUID(), work)
}

/** The id of the work that is going on; a new one outside of any. */
export function requestId(): string {
  return current.getStore() ?? randomUUID()
}
