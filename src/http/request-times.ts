// How long requests take, by route and answer. Streams are not among them: they last as long as somebody watches.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Series } from './histogram.ts'

/** In seconds. */
export const REQUEST_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10] as const
const ROUTES = ['/graphql', '/import', '/metrics', '/oauth/token', '/healthz', '/readyz']

export function requestTimes(now: () => number = () => performance.now()) {
  const known = new Map<string, { labels: Series['labels']; counts: number[]; sum: number }>()
  return {
    /** Counts the request when its answer has left. */
    measure(req: IncomingMessage, res: ServerResponse, path: string): void {
      if (req.headers.accept?.toLowerCase().includes('text/event-stream')) return
      const started = now()
      const route = ROUTES.includes(path) ? path : 'other'
      res.once('finish', () => {
        const seconds = (now() - started) / 1_000
        const status = `${Math.floor(res.statusCode / 100)}xx`
        const key = `${route} ${status}`
        let series = known.get(key)
        if (!series) {
          series = { labels: { route, status }, counts: REQUEST_BOUNDS.map(() => 0).concat(0), sum: 0 }
          known.set(key, series)
        }
        const bucket = REQUEST_BOUNDS.findIndex((bound) => seconds <= bound)
        const place = bucket < 0 ? REQUEST_BOUNDS.length : bucket
        series.counts[place] = (series.counts[place] ?? 0) + 1
        series.sum += seconds
      })
    },
    series: (): readonly Series[] => [...known.values()],
  }
}
