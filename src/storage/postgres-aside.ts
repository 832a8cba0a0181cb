// Reads that may take long: on connections of their own, so that what is short never waits for one.
import pg from 'pg'
import type { RawRow } from './capabilities.ts'
import { ask, clientConfig, connectionPool, type Statement, withClient } from './postgres-pool.ts'

const CONNECTIONS = 2
const TIMEOUT_MS = 30 * 60_000
/** Others that take long may be before it. */
const WAIT_MS = 60_000
const CANCEL_TIMEOUT_MS = 5_000

export function postgresAside(url: string) {
  const pool = connectionPool({ url, size: CONNECTIONS, statementTimeoutMs: TIMEOUT_MS, waitMs: WAIT_MS })
  return {
    /** @throws the signal's reason; the statement is then cancelled */
    async read(statement: Statement, signal?: AbortSignal): Promise<RawRow[]> {
      signal?.throwIfAborted()
      return withClient(pool, async (client) => {
        let cancelled: Promise<unknown> | undefined
        const cancel = () => {
          cancelled = cancelStatement(url, client)
        }
        signal?.throwIfAborted()
        signal?.addEventListener('abort', cancel, { once: true })
        try {
          return (await ask(client, statement)).rows
        } catch (error) {
          throw signal?.aborted ? signal.reason : error
        } finally {
          signal?.removeEventListener('abort', cancel)
          // Before the connection serves another: the request must not meet that one's statement.
          await cancelled
        }
      })
    },
    close: () => pool.end(),
  }
}

async function cancelStatement(url: string, client: pg.ClientBase): Promise<void> {
  const other = new pg.Client(clientConfig(url, CANCEL_TIMEOUT_MS))
  other.on('error', () => {})
  try {
    await other.connect()
    await other.query('select pg_cancel_backend($1)', [(client as { processID?: number }).processID])
  } catch {
    // The statement then runs to its end, and its answer goes nowhere.
  } finally {
    await other.end().catch(() => {})
  }
}
