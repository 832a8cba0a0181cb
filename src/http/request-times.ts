// How long requests take, by route and answer. Streams are not among them: they last as long as somebody watches.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Histogram } from 'prom-client'

const ROUTES = ['/graphql', '/import', '/metrics', '/oauth/token', '/healthz', '/readyz']

export function requestTimes() {
  const durations = new Histogram({
    name: 'gateway_request_duration_seconds',
    help: 'How long HTTP requests took since the start of the process, by route and answer; streams left out.',
    labelNames: ['route', 'status'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers: [],
  })
  return {
    durations,
    /** Counts the request when its answer has left. */
    measure(req: IncomingMessage, res: ServerResponse, path: string): void {
      if (req.headers.accept?.toLowerCase().includes('text/event-stream')) return
      const started = performance.now()
      const route = ROUTES.includes(path) ? path : 'other'
      res.once('finish', () => {
        const status = `${Math.floor(res.statusCode / 100)}xx`
        durations.observe({ route, status }, (performance.now() - started) / 1_000)
      })
    },
  }
}
