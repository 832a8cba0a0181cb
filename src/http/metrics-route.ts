// GET /metrics in the text format of Prometheus. Nothing is measured before the first scrape but what costs nothing.
import type { IncomingMessage } from 'node:http'
import { Counter, collectDefaultMetrics, Gauge, type Histogram, Registry } from 'prom-client'
import type { Session } from '../domain/access.ts'
import { AccessError } from '../domain/errors.ts'
import type { SchedulerStanding } from '../domain/ports.ts'
import type { ApiParts } from '../graphql/context.ts'
import { type Answer, errorAnswer } from './answer.ts'
import type { OperationCounts } from './operation-counts.ts'
import { runMetrics } from './run-metrics.ts'

/** What is open at the moment. */
export interface OpenConnections {
  sockets(): number
  streams(): number
  subscriptions(): number
}

export function metricsRoute(options: {
  parts: Pick<ApiParts, 'services'>
  operations: OperationCounts['counts']
  open: OpenConnections
  requestDurations: Histogram<'route' | 'status'>
  scheduler: () => SchedulerStanding
}) {
  const { run } = options.parts.services
  let registry: Registry | undefined

  return async ({ method }: IncomingMessage, session: Session): Promise<Answer> => {
    if (method !== 'GET') {
      return { ...errorAnswer(405, 'BAD_REQUEST', 'Use GET.'), headers: { allow: 'GET' } }
    }
    try {
      const runs = await runMetrics(session.sandbox.name, await run.statistics(session))
      registry ??= processMetrics(options)
      const text = [await registry.metrics(), runs].join('\n')
      return { status: 200, headers: { 'content-type': registry.contentType }, text }
    } catch (error) {
      if (error instanceof AccessError) return errorAnswer(403, error.code, error.message)
      throw error
    }
  }
}

/** What is of the whole process, and says nothing of what is in a sandbox. */
function processMetrics({
  operations,
  open,
  requestDurations,
  scheduler,
}: Omit<Parameters<typeof metricsRoute>[0], 'parts'>): Registry {
  const registry = new Registry()
  const registers = [registry]
  registry.registerMetric(requestDurations)
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
  gauge(
    'gateway_subscriptions',
    'Subscriptions that are live, over WebSocket and server-sent events.',
    open.subscriptions,
  )
  gauge(
    'gateway_scheduler_heartbeat_timestamp_seconds',
    'When the scheduler of this process last looked at the schedules, in seconds since 1970; 0: not yet.',
    () => (scheduler().heartbeatAt?.getTime() ?? 0) / 1000,
  )
  gauge(
    'gateway_scheduler_lag_seconds',
    'For how long the oldest slot waits that is due, or else for how long the scheduler is overdue.',
    () => scheduler().lagMs / 1000,
  )
  return registry
}
