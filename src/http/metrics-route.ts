// GET /metrics in the text format of Prometheus. Nothing is measured before the first scrape but what costs nothing.
import type { IncomingMessage } from 'node:http'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Session } from '../domain/access.ts'
import { AccessError } from '../domain/errors.ts'
import type { ApiParts } from '../graphql/context.ts'
import { type Answer, errorAnswer } from './answer.ts'
import type { OperationCounts } from './operation-counts.ts'

/** What is open at the moment. */
export interface OpenConnections {
  sockets(): number
  streams(): number
}

export function metricsRoute(options: {
  parts: Pick<ApiParts, 'services'>
  operations: OperationCounts['counts']
  open: OpenConnections
}) {
  const { run } = options.parts.services
  let registry: Registry | undefined

  return async ({ method }: IncomingMessage, session: Session): Promise<Answer> => {
    if (method !== 'GET') {
      return { ...errorAnswer(405, 'BAD_REQUEST', 'Use GET.'), headers: { allow: 'GET' } }
    }
    try {
      const runs = runMetrics(session.sandbox.name, await run.countByStatus(session))
      registry ??= processMetrics(options)
      const text = (await Promise.all([registry.metrics(), runs.metrics()])).join('\n')
      return { status: 200, headers: { 'content-type': registry.contentType }, text }
    } catch (error) {
      if (error instanceof AccessError) return errorAnswer(403, error.code, error.message)
      throw error
    }
  }
}

/** What is of the whole process, and says nothing of what is in a sandbox. */
function processMetrics({ operations, open }: Omit<Parameters<typeof metricsRoute>[0], 'parts'>): Registry {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  new Counter({
    name: 'gateway_operations_total',
    help: 'GraphQL operations executed since the start, by kind and whether their answer had errors.',
    labelNames: ['kind', 'result'],
    registers,
    collect() {
      this.reset()
      for (const [kind, results] of Object.entries(operations)) {
        for (const [result, count] of Object.entries(results)) this.inc({ kind, result }, count)
      }
    },
  })
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value())
      },
    })
  gauge('gateway_open_sockets', 'WebSocket connections that are open.', open.sockets)
  gauge('gateway_open_event_streams', 'Subscriptions over server-sent events that are open.', open.streams)
  return registry
}

/** The runs of the sandbox that the scrape is for. */
function runMetrics(sandbox: string, counts: ReadonlyMap<string, number>): Registry {
  const registry = new Registry()
  const runs = new Gauge({
    name: 'gateway_runs',
    help: 'Runs in the sandbox by status.',
    labelNames: ['sandbox', 'status'],
    registers: [registry],
  })
  for (const [status, count] of counts) runs.set({ sandbox, status }, count)
  return registry
}
